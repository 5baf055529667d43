// Markup as tagged templates. What is put into one is text, never markup: Preact sets text nodes and attributes, and
// there is no other way to the document. What would hide or rearrange text is made visible on the way.
import htm from './htm.js';
import { Fragment, h, render } from './preact.js';
import { visible } from './format.js';

export { Fragment, render };
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from './hooks.js';

const shownAttributes = ['title', 'aria-label', 'alt', 'placeholder'];

/** @param {any} child @returns {any} */
function shown(child) {
  if (typeof child === 'string') return visible(child);
  return Array.isArray(child) ? child.map(shown) : child;
}

/** @type {any} */
const make = (/** @type {any} */ type, /** @type {any} */ attributes, /** @type {any[]} */ ...children) => {
  // A component passes its children on, and its own template sees to them.
  const isElement = typeof type === 'string' || type === Fragment;
  if (typeof type === 'string' && attributes) {
    for (const name of shownAttributes) {
      if (typeof attributes[name] === 'string') attributes = { ...attributes, [name]: visible(attributes[name]) };
    }
  }
  return h(type, attributes, ...(isElement ? children.map(shown) : children));
};

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(make);
