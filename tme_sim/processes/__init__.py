"""The processes of the tick, one module each: verbs that read and write the state."""
