// Where one is: a path and a query behind the "#", so that each view has a URL and the server learns none of them.
import { useEffect, useState } from './html.js';

/** @returns {{path: string[], query: Record<string, string>}} */
export function place() {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const segments = path.split('/').filter(Boolean).map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment;
    }
  });
  return { path: segments, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function usePlace() {
  const [here, setHere] = useState(place());
  useEffect(() => {
    const moved = () => setHere(place());
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  return here;
}

export const useQuery = () => usePlace().query;

/** Changes some of the query, without another step in the history. @param {Record<string, string>} changes */
export function navigate(changes) {
  const query = new URLSearchParams(location.hash.split(/\?(.*)/s)[1] ?? '');
  for (const [name, value] of Object.entries(changes)) {
    if (value === '') query.delete(name);
    else query.set(name, value);
  }
  const path = location.hash.replace(/^#?/, '').split('?')[0] || '/';
  const text = query.toString();
  history.replaceState(null, '', `#${path}${text ? `?${text}` : ''}`);
  dispatchEvent(new HashChangeEvent('hashchange'));
}
