// Writes the gzip and brotli forms of each asset beside it, which the server
// sends as they are.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dir = new URL("../dist/app/assets/", import.meta.url);
for (const name of readdirSync(dir)) {
  const body = readFileSync(new URL(name, dir));
  const options = {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
    },
  };
  writeFileSync(new URL(`${name}.gz`, dir), gzipSync(body, { level: 9 }));
  writeFileSync(new URL(`${name}.br`, dir), brotliCompressSync(body, options));
}
