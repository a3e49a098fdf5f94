// Copies Swagger UI's script, style and licences from the package into the folder it is given,
// without the references to source maps, which the gateway does not serve.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const FILES = [
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "swagger-ui.css",
  "LICENSE",
  "NOTICE",
];
const SOURCE_MAP = /\n?(\/\/|\/\*)# sourceMappingURL=\S+( ?\*\/)?\s*$/;

const [target] = process.argv.slice(2);
const source = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

await mkdir(target, { recursive: true });
for (const name of FILES) {
  const text = await readFile(join(source, name), "utf8");
  await writeFile(join(target, name), `${text.replace(SOURCE_MAP, "").trimEnd()}\n`);
}
