// Reads an AsyncAPI document with AsyncAPI's own parser and prints what it says of it: asyncapi.mjs MODULES FILE.
import {createRequire} from 'node:module';
import {resolve} from 'node:path';

const [modules, file] = process.argv.slice(2);
const {Parser, fromFile} = createRequire(resolve(modules) + '/')('@asyncapi/parser');
// 3.1 adds nothing that this topic needs, and fewer tools know it.
const parser = new Parser({ruleset: {rules: {'asyncapi-latest-version': 'off'}}});
const {document, diagnostics} = await fromFile(parser, file).parse();

for (const {range, code, message, path} of diagnostics)
    console.log(`${file}:${range.start.line + 1}: ${code}: /${path.join('/')}: ${message}`);
process.exitCode = document === undefined || diagnostics.length > 0 ? 1 : 0;
