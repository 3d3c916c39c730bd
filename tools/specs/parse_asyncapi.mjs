// Parse an AsyncAPI document and print each diagnostic of the parser on a line: severity (0 error, 1 warning,
// 2 information), code, message, path. Exit 1 if the document cannot be parsed.
//
//     node tools/specs/parse_asyncapi.mjs docs/protocol/asyncapi.json
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
for (const { severity, code, message, path } of diagnostics) {
  console.log([severity, code, message, path.join("/")].join("\t"));
}
process.exit(document ? 0 : 1);
