// Makes src/generated/messages.ts from levee.schema.json, which `levee schema` prints, and gives
// the golden vectors of the service's tests their types, so that the compiler checks them too.
//
//   node schema/generate.mjs           writes the files
//   node schema/generate.mjs --check   fails if a file is not what would be written
//
// It knows the forms of JSON Schema that the service uses (src/schema/parts.rs) and refuses any
// other, so that nothing is lost on the way.

import { readFileSync, writeFileSync } from "node:fs";

const SCHEMA = new URL("levee.schema.json", import.meta.url);
const TYPES = "src/generated/messages.ts";
const VECTORS = "tests/generated/vectors.ts";
const LINE_CHARS_MAX = 100;

/** Keywords that say nothing about a type. */
const UNTYPED = ["description", "default", "minimum", "maximum", "pattern", "required"];

/** The members of a schema that decide its type. */
function formOf(schema) {
  return Object.keys(schema)
    .filter((key) => !UNTYPED.includes(key))
    .sort()
    .join(" ");
}

/** A comment of one or more lines, or nothing. */
function comment(text, indent) {
  if (text === undefined) return "";
  const width = LINE_CHARS_MAX - indent.length - " * ".length;
  const oneLine = `${indent}/** ${text} */\n`;
  if (oneLine.length <= LINE_CHARS_MAX + 1) return oneLine;
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}

function memberName(name) {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function object(schema, indent) {
  const inner = `${indent}  `;
  const members = Object.entries(schema.properties).map(([name, member]) => {
    const mark = schema.required.includes(name) ? "" : "?";
    const type = typeOf(member, inner);
    return `${comment(member.description, inner)}${inner}${memberName(name)}${mark}: ${type};\n`;
  });
  if (isOpenEnded(schema)) members.push(`${inner}[name: string]: unknown;\n`);
  // `{}` would be any value at all.
  return members.length === 0 ? "Record<string, never>" : `{\n${members.join("")}${indent}}`;
}

/** Whether members that the schema does not name are of use to somebody. */
function isOpenEnded({ additionalProperties }) {
  return additionalProperties === true;
}

function union(options, indent) {
  const types = options.map((option) => typeOf(option, indent));
  return [...new Set(types)].join(" | ");
}

function list(item, indent) {
  const type = typeOf(item, indent);
  const isUnion = item.anyOf !== undefined || item.enum !== undefined;
  return isUnion ? `(${type})[]` : `${type}[]`;
}

function typeOf(schema, indent) {
  const form = formOf(schema);
  switch (form) {
    case "":
      return "unknown";
    case "$ref":
      return schema.$ref.replace("#/$defs/", "");
    case "const":
      return JSON.stringify(schema.const);
    case "enum":
      return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
    case "anyOf":
      return union(schema.anyOf, indent);
    case "items type":
      return list(schema.items, indent);
    case "items minItems prefixItems type":
      return `[${schema.prefixItems.map((item) => typeOf(item, indent)).join(", ")}]`;
    case "properties type":
    case "additionalProperties properties type":
      return object(schema, indent);
    case "additionalProperties type":
      return `{ [name: string]: ${typeOf(schema.additionalProperties, indent)} }`;
    case "type":
      return plain(schema.type);
    default:
      throw new Error(`no type for a schema with ${form}: ${JSON.stringify(schema)}`);
  }
}

function plain(type) {
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type;
    case "integer":
      return "number";
    case "object":
      return "{ [name: string]: unknown }";
    default:
      throw new Error(`no type for ${type}`);
  }
}

function declaration([name, schema]) {
  const head = comment(schema.description, "");
  const type = typeOf(schema, "");
  if (schema.properties !== undefined && type.startsWith("{")) {
    return `${head}export interface ${name} ${type}\n`;
  }
  const line = `export type ${name} = ${type};\n`;
  if (line.length <= LINE_CHARS_MAX + 1 && !line.trim().includes("\n")) return `${head}${line}`;
  const words = schema.enum?.map((word) => JSON.stringify(word));
  const options = words ?? schema.anyOf.map((option) => typeOf(option, "    "));
  return `${head}export type ${name} =\n${options.map((option) => `  | ${option}`).join("\n")};\n`;
}

/** The types of all messages. */
function types() {
  const document = JSON.parse(readFileSync(SCHEMA, "utf8"));
  return [
    "// Made by schema/generate.mjs from what `levee schema` prints; do not edit.\n",
    `/** ${document.title}, as the service's own schema describes them. */`,
    "",
    ...Object.entries(document.$defs).map(declaration),
  ].join("\n");
}

function vectorList(name, file, type) {
  const json = readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8");
  return `export const ${name}: readonly Vector<${type}>[] = ${json.trimEnd()};\n`;
}

/** The golden vectors, typed. */
function vectors() {
  return [
    "// Made by schema/generate.mjs from vectors/*.json, which the service's tests keep; do not edit.\n",
    'import type { PhoenixClientMessage, PhoenixServerMessage } from "../../src/generated/messages.ts";\n',
    "/** A message in both encodings, the second in base64, and what it means. */",
    "export interface Vector<Message> {",
    "  readonly name: string;",
    "  readonly json: string;",
    "  readonly msgpack: string;",
    "  readonly value: Message;",
    "}\n",
    vectorList("toClient", "to-client.json", "PhoenixServerMessage"),
    vectorList("toService", "to-service.json", "PhoenixClientMessage"),
  ].join("\n");
}

const isCheck = process.argv.includes("--check");
for (const [name, made] of [
  [TYPES, types()],
  [VECTORS, vectors()],
]) {
  const path = new URL(`../${name}`, import.meta.url);
  if (!isCheck) writeFileSync(path, made);
  else if (readFileSync(path, "utf8") !== made) {
    console.error(`${name} is stale: node schema/generate.mjs makes it anew`);
    process.exitCode = 1;
  }
}
