// Bundle the page into ../static: one script, one style sheet, the page and its icon.
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";

const out = "../static";
await mkdir(out, { recursive: true });
await build({
  entryPoints: { app: "src/main.ts" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: out,
  legalComments: "inline",
  logLevel: "info",
});
for (const name of ["index.html", "icon.svg"]) await copyFile(`src/${name}`, `${out}/${name}`);
