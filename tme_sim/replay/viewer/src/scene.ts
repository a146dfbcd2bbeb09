// The tissue: cells as discs (2D) or spheres (3D, impostors), one substrate as a plane under or in it.

import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import type { Cells, Run } from "./api";
import type { Table } from "./colors";

const CELL_VERTEX = `
  attribute float radius;
  attribute vec4 tint;
  uniform float pixels;
  varying vec4 vTint;
  varying float vRadius;
  varying vec4 vCenter;
  varying float vPixels;
  void main() {
    vTint = tint;
    vRadius = radius;
    vCenter = modelViewMatrix * vec4(position, 1.0);
    gl_Position = projectionMatrix * vCenter;
    vPixels = radius * projectionMatrix[1][1] * pixels / gl_Position.w;
    gl_PointSize = radius > 0.0 ? max(1.5, vPixels) : 0.0;
  }`;

// A sphere that the clip plane (view space, keeps dot(n, p) + d >= 0) cuts shows its cut face.
const CELL_FRAGMENT = `
  uniform mat4 projectionMatrix;
  uniform vec4 clip;
  varying vec4 vTint;
  varying float vRadius;
  varying vec4 vCenter;
  varying float vPixels;
  void main() {
    vec2 at = gl_PointCoord * 2.0 - 1.0;
    float r2 = dot(at, at);
    if (r2 > 1.0 || vRadius <= 0.0) discard;
    float height = sqrt(1.0 - r2);
    vec3 color = vTint.rgb;
    #ifdef SOLID
      vec3 normal = vec3(at.x, -at.y, height);
      vec3 place = vCenter.xyz + vRadius * normal;
      float inside = dot(clip.xyz, place) + clip.w;
      if (inside < 0.0) {
        float deep = inside / clip.z;
        if (deep < 0.0 || deep > 2.0 * height * vRadius) discard;
        place.z -= deep;
        normal = vec3(0.0, 0.0, 1.0);
        color = mix(color, vec3(1.0), 0.16);
      }
      float light = 0.52 + 0.48 * max(0.0, dot(normal, normalize(vec3(-0.35, 0.55, 0.75))));
      float rim = 1.0 - 0.35 * smoothstep(0.72, 1.0, r2);
      vec4 seen = projectionMatrix * vec4(place, 1.0);
      gl_FragDepth = 0.5 * seen.z / seen.w + 0.5;
      gl_FragColor = vec4(color * light * rim, 1.0);
    #else
      float rim = smoothstep(0.62, 0.98, r2) * step(5.0, vPixels);
      float edge = vPixels > 4.0 ? 1.0 - smoothstep(1.0 - 4.0 / vPixels, 1.0, r2) : 1.0;
      gl_FragColor = vec4(mix(color, color * 0.62, rim), vTint.a * edge);
    #endif
  }`;

const FIELD_VERTEX = `
  varying vec2 place;
  void main() { place = uv; gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0); }`;

const FIELD_FRAGMENT = `
  uniform sampler2D levels;
  uniform sampler2D map;
  uniform float opacity;
  varying vec2 place;
  void main() {
    float level = texture2D(levels, place).r;
    gl_FragColor = vec4(texture2D(map, vec2(level * 255.0 / 254.0 * 0.996 + 0.002, 0.5)).rgb, opacity);
  }`;

const BOX_VERTEX = `
  void main() { gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0); }`;

const BOX_FRAGMENT = `
  uniform vec3 color;
  void main() { gl_FragColor = vec4(color, 0.5); }`;

const NO_CLIP = new THREE.Vector4(0, 0, 0, 1);

export type Axis = "x" | "y" | "z";
export interface Clip { axis: Axis; at: number; flip: boolean }

export class Scene {
  private renderer: THREE.WebGLRenderer;
  private scene = new THREE.Scene();
  private camera: THREE.OrthographicCamera | THREE.PerspectiveCamera;
  private controls: OrbitControls;
  private geometry = new THREE.BufferGeometry();
  private cellMaterial: THREE.ShaderMaterial;
  private fieldMaterial: THREE.ShaderMaterial;
  private boxMaterial: THREE.ShaderMaterial;
  private plane: THREE.Mesh;
  private waiting = false;
  private room = [0, 0]; // CSS pixels of the picture
  private cells: Cells | null = null;
  private shown: Float32Array = new Float32Array(0);
  private clip: THREE.Plane | null = null;
  /** Called after each drawing, to move what lies over the picture. */
  onDraw: () => void = () => {};
  /** Called after a person has moved the camera. */
  onMove: () => void = () => {};

  constructor(private canvas: HTMLCanvasElement, private run: Run) {
    try {
      this.renderer = new THREE.WebGLRenderer({ canvas, antialias: false });
    } catch {
      throw new Error("This browser draws no WebGL. Switch hardware acceleration on, or use another browser; tme-sim replay --movie needs none.");
    }
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    const solid = run.dim === 3;
    this.cellMaterial = new THREE.ShaderMaterial({
      vertexShader: CELL_VERTEX, fragmentShader: CELL_FRAGMENT,
      defines: solid ? { SOLID: 1 } : {},
      uniforms: { pixels: { value: 1 }, clip: { value: NO_CLIP.clone() } },
      transparent: !solid, depthWrite: solid, depthTest: solid,
    });
    const points = new THREE.Points(this.geometry, this.cellMaterial);
    points.frustumCulled = false;
    points.renderOrder = 2;
    this.fieldMaterial = new THREE.ShaderMaterial({
      vertexShader: FIELD_VERTEX, fragmentShader: FIELD_FRAGMENT, transparent: true,
      depthWrite: false, side: THREE.DoubleSide,
      uniforms: { levels: { value: null }, map: { value: null }, opacity: { value: solid ? 0.6 : 1 } },
    });
    this.plane = new THREE.Mesh(new THREE.PlaneGeometry(1, 1), this.fieldMaterial);
    this.plane.matrixAutoUpdate = false;
    this.plane.renderOrder = solid ? 3 : 1;
    this.boxMaterial = new THREE.ShaderMaterial({
      vertexShader: BOX_VERTEX, fragmentShader: BOX_FRAGMENT, transparent: true,
      uniforms: { color: { value: new THREE.Color() } },
    });
    const [width, height, depth] = run.size;
    const edges = new THREE.EdgesGeometry(new THREE.BoxGeometry(width, height, solid ? depth : 0.01));
    const box = new THREE.LineSegments(edges, this.boxMaterial);
    box.position.set(width / 2, height / 2, solid ? depth / 2 : 0);
    this.scene.add(this.plane, box, points);
    this.camera = solid ? new THREE.PerspectiveCamera(35, 1, 1, 1e5) : new THREE.OrthographicCamera();
    this.renderer.compile(this.scene, this.camera); // begins now, beside what the page does next
    this.plane.visible = false;
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = false;
    this.controls.addEventListener("change", () => { this.draw(); this.onMove(); });
    if (!solid) {
      this.controls.enableRotate = false;
      this.controls.mouseButtons.LEFT = THREE.MOUSE.PAN;
      this.controls.touches.ONE = THREE.TOUCH.PAN;
    }
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement!);
    this.home();
  }

  /** Look at the whole tissue. */
  home(): void {
    const [width, height, depth] = this.run.size;
    const middle = new THREE.Vector3(width / 2, height / 2, this.run.dim === 3 ? depth / 2 : 0);
    this.controls.target.copy(middle);
    if (this.camera instanceof THREE.PerspectiveCamera) {
      const far = 1.05 * Math.hypot(width, height, depth);
      this.camera.up.set(0, 0, 1);
      this.camera.position.copy(middle).add(new THREE.Vector3(0.62, -1, 0.55).normalize().multiplyScalar(1.6 * far));
    } else {
      this.camera.position.set(width / 2, height / 2, 1000);
      this.camera.near = 0.1;
      this.camera.far = 5000;
      this.camera.zoom = 1;
    }
    if (this.room[0]) this.resize(); // at first the observer does, once the page is laid out
    this.controls.update();
  }

  zoom(factor: number): void {
    if (this.camera instanceof THREE.OrthographicCamera) {
      this.camera.zoom *= factor;
      this.camera.updateProjectionMatrix();
    } else {
      this.camera.position.lerp(this.controls.target, 1 - 1 / factor);
    }
    this.moved();
  }

  /** Move by shares of the picture's height: along it (2D), or around the tissue (3D). */
  turn(right: number, up: number): void {
    const { camera, controls } = this;
    if (camera instanceof THREE.OrthographicCamera) {
      const height = (camera.top - camera.bottom) / camera.zoom;
      const by = new THREE.Vector3(right * height, up * height, 0);
      camera.position.add(by);
      controls.target.add(by);
    } else {
      const from = new THREE.Spherical().setFromVector3(camera.position.clone().sub(controls.target).applyAxisAngle(new THREE.Vector3(1, 0, 0), -Math.PI / 2));
      from.theta += right * 1.5;
      from.phi = Math.min(3.1, Math.max(0.04, from.phi - up * 1.5));
      camera.position.copy(new THREE.Vector3().setFromSpherical(from).applyAxisAngle(new THREE.Vector3(1, 0, 0), Math.PI / 2)).add(controls.target);
    }
    this.moved();
  }

  /** Where the camera is, as a few numbers: place, target, zoom. */
  get view(): number[] {
    const { position, zoom } = this.camera;
    return [...position.toArray(), ...this.controls.target.toArray(), zoom].map((v) => Number(v.toPrecision(5)));
  }

  set view(numbers: number[]) {
    if (numbers.length !== 7 || numbers.some((v) => !Number.isFinite(v))) return;
    this.camera.position.fromArray(numbers);
    this.controls.target.fromArray(numbers, 3);
    this.camera.zoom = numbers[6];
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  /** Keep a cell in the middle. */
  center(row: number): void {
    if (!this.cells) return;
    const at = new THREE.Vector3().fromArray(this.cells.position, 3 * row);
    const by = at.sub(this.controls.target);
    this.controls.target.add(by);
    this.camera.position.add(by);
    this.moved();
  }

  background(color: string, line: string): void {
    this.renderer.setClearColor(new THREE.Color(color), 1);
    // no conversion of colours: what the style sheet says is what is drawn
    this.boxMaterial.uniforms.color.value = new THREE.Color().setStyle(line, THREE.LinearSRGBColorSpace);
    this.draw();
  }

  /** Show cells; `shown` holds each cell's radius, 0 where it is hidden; `tint` its RGBA. */
  setCells(cells: Cells, shown: Float32Array, tint: Uint8Array): void {
    this.cells = cells;
    this.shown = shown;
    this.geometry.dispose();
    this.geometry.setAttribute("position", new THREE.BufferAttribute(cells.position, 3));
    this.geometry.setAttribute("radius", new THREE.BufferAttribute(shown, 1));
    this.geometry.setAttribute("tint", new THREE.BufferAttribute(tint, 4, true));
    this.geometry.setDrawRange(0, cells.n);
    this.draw();
  }

  /** Lay a slice of a field through the tissue at a place [um] on an axis; under it in 2D. */
  setField(levels: Uint8Array | null, map: Table, axis: Axis, at: number): void {
    const { plane } = this;
    plane.visible = levels !== null;
    if (levels) {
      const [rows, columns] = sliceShape(this.run.shape, axis);
      this.replace("levels", texture(levels, columns, rows, THREE.RedFormat));
      this.replace("map", texture(map, 256, 1, THREE.RGBAFormat));
      const [width, height, depth] = this.run.size;
      const [x, y, z] = [new THREE.Vector3(width, 0, 0), new THREE.Vector3(0, height, 0), new THREE.Vector3(0, 0, depth)];
      const middle = new THREE.Vector3(width / 2, height / 2, depth / 2);
      middle[axis] = this.run.dim === 3 ? at : -1;
      const [along, up] = { x: [y, z], y: [x, z], z: [x, y] }[axis];
      plane.matrix.makeBasis(along, up, new THREE.Vector3().crossVectors(along, up).normalize()).setPosition(middle);
    }
    this.draw();
  }

  /** Cut the tissue open (3D): cells beyond a place along an axis are not drawn. */
  setClip(clip: Clip | null): void {
    this.clip = null;
    if (clip) {
      const normal = new THREE.Vector3();
      const upper = (clip.axis === "y") !== clip.flip; // the half whose cut face looks at the camera of home()
      normal[clip.axis] = upper ? 1 : -1;
      this.clip = new THREE.Plane(normal, upper ? -clip.at : clip.at);
    }
    this.draw();
  }

  /**
   * The row of the cell under a point of the canvas, in CSS pixels; -1 where there is none.
   * Of several, the nearest to the camera (3D), or whose middle is nearest in its own radii (2D).
   * With `nearest`, the nearest to the point where none is under it.
   */
  pick(x: number, y: number, nearest = false): number {
    if (!this.cells) return -1;
    const { n, position, radius } = this.cells;
    const solid = this.run.dim === 3;
    // as project() of every cell, without an object for each
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const m = new THREE.Matrix4().multiplyMatrices(this.camera.projectionMatrix, this.camera.matrixWorldInverse).elements;
    const size = (this.camera.projectionMatrix.elements[5] * height) / 2;
    let [best, least, near, leastAway] = [-1, Infinity, -1, Infinity];
    for (let i = 0; i < n; i++) {
      if (this.shown[i] <= 0) continue;
      const [px, py, pz] = [position[3 * i], position[3 * i + 1], position[3 * i + 2]];
      const w = m[3] * px + m[7] * py + m[11] * pz + m[15];
      const right = (0.5 + (0.5 * (m[0] * px + m[4] * py + m[8] * pz + m[12])) / w) * width - x;
      const down = (0.5 - (0.5 * (m[1] * px + m[5] * py + m[9] * pz + m[13])) / w) * height - y;
      const away = Math.sqrt(right * right + down * down) / Math.max(4, (radius[i] * size) / w);
      const depth = solid ? (m[2] * px + m[6] * py + m[10] * pz + m[14]) / w : away;
      const under = away <= 1 && depth < least;
      if (!under && away >= leastAway) continue;
      if (this.clip && this.clip.distanceToPoint(MIDDLE.fromArray(position, 3 * i)) < 0) continue;
      if (under) [best, least] = [i, depth];
      if (away < leastAway) [near, leastAway] = [i, away];
    }
    return best < 0 && nearest ? near : best;
  }

  /** Where a cell is on the canvas, in CSS pixels. */
  project(row: number): { x: number; y: number; r: number; depth: number } {
    const p = this.cells!.position;
    PLACE.set(p[3 * row], p[3 * row + 1], p[3 * row + 2], 1);
    PLACE.applyMatrix4(this.camera.matrixWorldInverse).applyMatrix4(this.camera.projectionMatrix);
    const { clientWidth, clientHeight } = this.canvas;
    return {
      x: (0.5 + (0.5 * PLACE.x) / PLACE.w) * clientWidth,
      y: (0.5 - (0.5 * PLACE.y) / PLACE.w) * clientHeight,
      r: (this.cells!.radius[row] * this.camera.projectionMatrix.elements[5] * clientHeight) / 2 / PLACE.w,
      depth: PLACE.z / PLACE.w,
    };
  }

  /** Width of one CSS pixel in um (2D). */
  get micrometresPerPixel(): number {
    return 2 / (this.camera.projectionMatrix.elements[5] * this.canvas.clientHeight);
  }

  draw(): void {
    if (this.waiting || !this.cells) return; // an empty picture would only keep the first one waiting
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.render();
      this.onDraw();
    });
  }

  /** Draw at once: the drawn picture can be read until the browser shows it. */
  render(): void {
    this.camera.updateMatrixWorld();
    const clip = this.cellMaterial.uniforms.clip.value as THREE.Vector4;
    if (this.clip) {
      const seen = this.clip.clone().applyMatrix4(this.camera.matrixWorldInverse);
      clip.set(seen.normal.x, seen.normal.y, seen.normal.z, seen.constant);
    } else {
      clip.copy(NO_CLIP);
    }
    this.renderer.render(this.scene, this.camera);
  }

  private moved(): void {
    this.controls.update();
    this.draw();
    this.onMove();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement!;
    if (width === 0 || height === 0) return;
    if (width !== this.room[0] || height !== this.room[1]) this.renderer.setSize(width, height, false);
    this.room = [width, height];
    this.cellMaterial.uniforms.pixels.value = height * this.renderer.getPixelRatio();
    if (this.camera instanceof THREE.PerspectiveCamera) {
      this.camera.aspect = width / height;
      this.camera.fov = width > height ? 35 : (35 * height) / width;
    } else {
      const half = 0.53 * Math.max(this.run.size[1], (this.run.size[0] * height) / width);
      const wide = (half * width) / height;
      Object.assign(this.camera, { left: -wide, right: wide, top: half, bottom: -half });
    }
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private replace(name: string, made: THREE.DataTexture): void {
    (this.fieldMaterial.uniforms[name].value as THREE.Texture | null)?.dispose();
    this.fieldMaterial.uniforms[name].value = made;
  }
}

/** Rows and columns of a slice across an axis, of a tissue of z, y, x voxels. */
export function sliceShape([nz, ny, nx]: [number, number, number], axis: Axis): [number, number] {
  return { x: [nz, ny], y: [nz, nx], z: [ny, nx] }[axis] as [number, number];
}

const PLACE = new THREE.Vector4();
const MIDDLE = new THREE.Vector3();

function texture(bytes: Uint8Array, width: number, height: number, format: THREE.PixelFormat): THREE.DataTexture {
  const made = new THREE.DataTexture(bytes as Uint8Array<ArrayBuffer>, width, height, format, THREE.UnsignedByteType);
  made.minFilter = made.magFilter = THREE.LinearFilter;
  made.unpackAlignment = 1;
  made.needsUpdate = true;
  return made;
}
