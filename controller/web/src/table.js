// A table of any length: only the rows that can be seen are there.
import { html, useLayoutEffect, useRef, useState } from './html.js';

const beyond = 12;  // rows above and below those that are seen, so that scrolling and tabbing find some

/** @typedef {{id: string, name: string, sort?: boolean, class?: string, cell: (row: any) => any}} Column */

/** @param {{columns: Column[], rows: any[], height: number, label: string, sort: string, onSort: (id: string) => void}} props */
export function Table({ columns, rows, height, label, sort, onSort }) {
  const body = useRef(/** @type {any} */ (null));
  const [range, setRange] = useState([0, 60]);
  useLayoutEffect(() => {
    const look = () => {
      const top = body.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(-top / height) - beyond);
      const last = Math.max(0, Math.ceil((innerHeight - top) / height)) + beyond;
      setRange((/** @type {number[]} */ before) => (before[0] === first && before[1] === last ? before : [first, last]));
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [height, rows.length]);
  const last = Math.min(rows.length, range[1] ?? 0);
  const first = Math.min(range[0] ?? 0, Math.max(0, last - 1));
  // Of one cell: as many as there are columns would make room for those that are not shown on a phone.
  const gap = (/** @type {number} */ count) =>
    count > 0 && html`<tr class="gap" aria-hidden="true"><td style=${{ height: `${count * height}px` }}></td></tr>`;
  const [by, down] = [sort.replace(/^-/, ''), sort.startsWith('-')];
  return html`
    <table class="list" aria-label=${label} aria-rowcount=${rows.length + 1}>
      <thead><tr aria-rowindex="1">
        ${columns.map((column) => html`
          <th scope="col" class=${column.class} aria-sort=${by === column.id ? (down ? 'descending' : 'ascending') : undefined}>
            ${column.sort === false ? column.name : html`
              <button type="button" class="sort" onClick=${() => onSort(by === column.id && !down ? `-${column.id}` : column.id)}>
                ${column.name}<span aria-hidden="true">${by === column.id ? (down ? ' ↓' : ' ↑') : ''}</span>
              </button>`}
          </th>`)}
      </tr></thead>
      <tbody ref=${body} style=${{ '--row': `${height}px` }}>
        ${gap(first)}
        ${rows.slice(first, last).map((row, index) => html`
          <tr key=${row.key} aria-rowindex=${first + index + 2} class=${`is-${row.state?.tone}`}>
            ${columns.map((column) => html`<td class=${column.class}>${column.cell(row)}</td>`)}
          </tr>`)}
        ${gap(rows.length - last)}
      </tbody>
    </table>
  `;
}
