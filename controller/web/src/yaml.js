// Writes what can be read again as YAML: enough for manifests.

const plain = /^[A-Za-z0-9_./][A-Za-z0-9_./ @%+-]*$/;
const ambiguous = /^(?:true|false|null|yes|no|on|off|~|[-+.]?[0-9][-0-9a-fxo_.:+TZ ]*|\.(?:inf|nan).*)$/i;

/** @param {unknown} value @returns {string} */
function scalar(value) {
  if (typeof value !== 'string') return JSON.stringify(value);
  // JSON's strings are YAML's; what YAML would read as something else is quoted.
  return plain.test(value) && !ambiguous.test(value) && !value.endsWith(' ') ? value : JSON.stringify(value);
}

/** @param {unknown} value @returns {boolean} */
const isFlat = (value) => typeof value !== 'object' || value === null || Object.keys(value).length === 0;

/** @param {any} value @param {string} [indent] @returns {string} */
export function toYaml(value, indent = '') {
  if (isFlat(value)) return `${indent}${Array.isArray(value) ? '[]' : typeof value === 'object' && value ? '{}' : scalar(value)}\n`;
  if (Array.isArray(value)) {
    return value.map((each) => `${indent}- ${toYaml(each, `${indent}  `).slice(indent.length + (isFlat(each) ? 2 : 2))}`).join('');
  }
  return Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([name, each]) => {
      const key = `${indent}${scalar(name)}:`;
      if (isFlat(each)) return `${key} ${toYaml(each).trimEnd()}\n`;
      return `${key}\n${toYaml(each, Array.isArray(each) ? indent : `${indent}  `)}`;
    })
    .join('');
}

/** What of an object stands in a manifest: what the server added is left out. @param {import('./types.js').KubeObject} object */
export function manifestOf({ apiVersion, kind, metadata, spec }) {
  const { name, namespace, labels, annotations } = metadata;
  const kept = Object.entries(annotations ?? {}).filter(([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration');
  return toYaml({
    apiVersion,
    kind,
    metadata: { name, namespace, labels, annotations: kept.length > 0 ? Object.fromEntries(kept) : undefined },
    spec,
  });
}
