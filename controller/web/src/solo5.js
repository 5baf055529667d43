// What a Solo5 image says of itself, read of the file as it lies on the disk: its headers and notes and nothing else,
// by the same rules as controller/image/solo5.cpp. What is refused there is refused here, before it is sent.

/** @typedef {{target: string, abiVersion: number, networks: string[], blocks: string[]}} Manifest */

const targets = ['', 'hvt', 'spt', 'virtio', 'muen', 'genode', 'xen'];
const noteHeader = 20;
const manifestHeader = 12;
const entrySize = 104;
const nameSize = 68;
const mostEntries = 64;
const mostNames = 1 << 20;

class Invalid extends Error {}

/** @param {boolean} holds @param {string} otherwise */
function must(holds, otherwise) {
  if (!holds) throw new Invalid(otherwise);
}

/** @param {Blob} file @param {number} offset @param {number} length @param {string} what */
async function read(file, offset, length, what) {
  must(offset + length <= file.size, `${what} lies beyond the end of the file`);
  return new DataView(await file.slice(offset, offset + length).arrayBuffer());
}

/** @param {DataView} view @param {number} from @param {number} to */
function isZero(view, from, to) {
  for (let at = from; at < to; ++at) if (view.getUint8(at) !== 0) return false;
  return true;
}

/** The text up to the next zero; undefined where there is none. @param {DataView} view @param {number} from @param {number} to */
function textAt(view, from, to) {
  let text = '';
  for (let at = from; at < to; ++at) {
    const code = view.getUint8(at);
    if (code === 0) return text;
    text += String.fromCharCode(code);
  }
  return undefined;
}

/** @param {Blob} file */
async function sectionsOf(file) {
  must(file.size >= 4 && (await read(file, 0, 4, 'its magic number')).getUint32(0) === 0x7f454c46, 'it is not an ELF file; build it for the target hvt or spt');
  const header = await read(file, 0, 64, 'its ELF header');
  must(header.getUint8(4) === 2, 'it is not a 64-bit ELF file');
  must(header.getUint8(5) === 1, 'it is not a little-endian ELF file');
  must(isZero(header, 9, 16), 'the padding of its ELF identification is not zero');
  const count = header.getUint16(60, true);
  must(count > 0, 'it has no section table, and so no Solo5 notes');
  must(header.getUint16(58, true) === 64, 'its section headers have another size than ELF64 gives them');
  const offset = Number(header.getBigUint64(40, true));
  must(offset <= 0xffffffff, 'its section table lies beyond 4 GiB');
  const table = await read(file, offset, count * 64, 'its section table');
  const section = (/** @type {number} */ index) => ({
    name: table.getUint32(index * 64, true),
    offset: Number(table.getBigUint64(index * 64 + 24, true)),
    size: Number(table.getBigUint64(index * 64 + 32, true)),
  });
  const namesIndex = header.getUint16(62, true);
  must(namesIndex < count, 'its section names are in a section that it does not have');
  const place = section(namesIndex);
  must(place.size <= mostNames, 'its section names take too many bytes');
  const names = await read(file, place.offset, place.size, 'its section name table');
  return { count, section, names };
}

/** The descriptor of a note, which must fill its section.
 * @param {Blob} file @param {Awaited<ReturnType<typeof sectionsOf>>} sections @param {string} name @param {number} type */
async function noteOf(file, { count, section, names }, name, type) {
  for (let index = 0; index < count; ++index) {
    const { name: at, offset, size } = section(index);
    must(at < names.byteLength, `the name of section ${index} lies beyond the section name table`);
    if (textAt(names, at, Math.min(names.byteLength, at + name.length + 1)) !== name) continue;
    must(size >= noteHeader, `section ${name} is too small for a note`);
    const note = await read(file, offset, Math.min(size, noteHeader + manifestHeader + mostEntries * entrySize), name);
    must(note.getUint32(0, true) === 6 && textAt(note, 12, 18) === 'Solo5', `the owner of the note in section ${name} is not Solo5`);
    must(note.getUint32(8, true) === type, `the note in section ${name} has another type`);
    must(noteHeader + note.getUint32(4, true) === size, `the note in section ${name} does not fill it`);
    return new DataView(note.buffer, noteHeader);
  }
  throw new Invalid(`it has no section ${name}; build it for the target hvt or spt`);
}

/** @param {DataView} note @returns {{networks: string[], blocks: string[]}} */
function devicesIn(note) {
  must(note.byteLength >= manifestHeader, 'its manifest note is too small');
  must(note.getUint32(4, true) === 1, 'its manifest note has another version than 1');
  const entries = note.getUint32(8, true);
  must(entries > 0 && entries <= mostEntries, `its manifest note lists ${entries} entries`);
  must(note.byteLength === manifestHeader + entries * entrySize, 'its manifest note has another size than its entries take');
  /** @type {Record<number, string[]>} */
  const devices = { 1: [], 2: [] };
  for (let index = 0; index < entries; ++index) {
    const at = manifestHeader + index * entrySize;
    const type = note.getUint32(at + nameSize, true);
    must(isZero(note, at + nameSize + 4, at + nameSize + 29), `entry ${index} of its manifest note has reserved fields that are not zero`);
    if (index === 0) {
      must(type === 0x40000000 && isZero(note, at, at + nameSize), 'entry 0 of its manifest note is not the reserved one');
      continue;
    }
    const name = textAt(note, at, at + nameSize);
    const known = devices[type];
    if (known === undefined) throw new Invalid(`entry ${index} of its manifest note is no device`);
    must(name !== undefined && /^[!-~]+$/.test(name), `the name in entry ${index} of its manifest note cannot be shown`);
    must(!known.includes(/** @type {string} */ (name)), `its manifest note lists the device ${name} twice`);
    known.push(/** @type {string} */ (name));
  }
  return { networks: /** @type {string[]} */ (devices[2]).sort(), blocks: /** @type {string[]} */ (devices[1]).sort() };
}

/** @param {Blob} file @returns {Promise<Manifest>} rejects with a sentence that says what is wrong with it */
export async function parseImage(file) {
  try {
    const sections = await sectionsOf(file);
    const abi = await noteOf(file, sections, '.note.solo5.abi', 0x31494241);
    must(abi.byteLength === 16, 'its ABI note has another size than 16 bytes');
    const target = targets[abi.getUint32(0, true)];
    must(!!target, 'its ABI note names a target that is none of Solo5’s');
    must(isZero(abi, 8, 16), 'the reserved words of its ABI note are not zero');
    const devices = devicesIn(await noteOf(file, sections, '.note.solo5.manifest', 0x3154464d));
    return { target: /** @type {string} */ (target), abiVersion: abi.getUint32(4, true), ...devices };
  } catch (error) {
    if (error instanceof Invalid) throw new Error(`This is not a valid Solo5 image: ${error.message}.`);
    throw new Error('The file cannot be read: it was changed or removed since it was chosen.');
  }
}
