// Tells what a schema says against a value, in words: the schema that the server itself checks by, which it serves.
import { session } from './session.js';

/** @type {Promise<Record<string, any>> | undefined} */
let schemas;

/** The schemas of the API group, by name. */
export function loadSchemas() {
  schemas ??= session.json('/openapi/v3/apis/rookery.dev/v1alpha1').then((document) => document.components.schemas);
  schemas.catch(() => (schemas = undefined));
  return schemas;
}

/** @param {any} schema @param {any} value @returns {string} */
function mistakeIn(schema, value) {
  if (typeof value === 'string') {
    if (schema.enum && !schema.enum.includes(value)) return `must be one of ${schema.enum.join(', ')}`;
    if (value.length < (schema.minLength ?? 0)) return schema.minLength === 1 ? 'must not be empty' : `must have at least ${schema.minLength} characters`;
    if (value.length > (schema.maxLength ?? Infinity)) return `must have at most ${schema.maxLength} characters`;
    if (schema.pattern && !new RegExp(schema.pattern, 'u').test(value)) return schema.example ? `must be like ${schema.example}` : `must match ${schema.pattern}`;
  }
  if (typeof value === 'number') {
    if (Number.isNaN(value) || (schema.type === 'integer' && !Number.isInteger(value))) return 'must be a whole number';
    if (value < (schema.minimum ?? -Infinity)) return `must be at least ${schema.minimum}`;
    if (value > (schema.maximum ?? Infinity)) return `must be at most ${schema.maximum}`;
  }
  if (Array.isArray(value)) {
    if (value.length < (schema.minItems ?? 0)) return schema.minItems === 1 ? 'choose at least one' : `must have at least ${schema.minItems} items`;
    if (value.length > (schema.maxItems ?? Infinity)) return `must have at most ${schema.maxItems} items`;
  }
  return '';
}

/** All mistakes, by the path of their field: "networkInterfaces[0].mac". @param {any} schema @param {any} value
 * @param {string} [path] @param {Map<string, string>} [found] @returns {Map<string, string>} */
export function mistakesIn(schema, value, path = '', found = new Map()) {
  const mistake = mistakeIn(schema, value);
  if (mistake) found.set(path, mistake);
  if (Array.isArray(value)) value.forEach((each, index) => schema.items && mistakesIn(schema.items, each, `${path}[${index}]`, found));
  else if (typeof value === 'object' && value !== null) {
    for (const [name, each] of Object.entries(value)) {
      const property = schema.properties?.[name];
      if (property && each !== undefined) mistakesIn(property, each, path ? `${path}.${name}` : name, found);
    }
  }
  return found;
}
