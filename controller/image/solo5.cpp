#include "image/solo5.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>

namespace rookery::image {

namespace {

constexpr std::string_view noteOwner{"Solo5\0", 6};
constexpr std::size_t noteHeaderSize = sizeof(Elf64_Nhdr) + 8;  // with the owner, padded to a multiple of 4
constexpr std::size_t abiSize = 16;
constexpr std::size_t manifestHeaderSize = 12;  // 4 bytes of padding, version, entries
constexpr std::size_t entrySize = 104;
constexpr std::size_t entryNameSize = 68;
constexpr std::uint32_t maxEntries = 64;
// A linked unikernel's section names take less than 1 KiB.
constexpr std::uint64_t maxSectionNames = 1u << 20;

/// The little-endian value at `offset`, which the caller knows to be there.
template <class T>
T valueAt(std::string_view bytes, std::size_t offset) {
  static_assert(std::is_trivially_copyable_v<T> && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  check(offset <= bytes.size() && bytes.size() - offset >= sizeof(T),
        "an image's field lies within its bytes");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool allZero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == '\0'; });
}

/// Solo5's own tool lets nothing but letters and digits pass; printable ASCII is what can be shown and
/// declared.
bool isDeviceName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; });
}

struct SectionTable {
  std::string headers;
  std::string names;

  std::size_t size() const { return headers.size() / sizeof(Elf64_Shdr); }
  Elf64_Shdr operator[](std::size_t index) const {
    return valueAt<Elf64_Shdr>(headers, index * sizeof(Elf64_Shdr));
  }
};

/// One kind of Solo5 note: where it stands and how it is marked.
struct NoteKind {
  std::string_view section;
  std::uint32_t type;
};
constexpr NoteKind abiNote{".note.solo5.abi", 0x31494241};            // "ABI1"
constexpr NoteKind manifestNote{".note.solo5.manifest", 0x3154464d};  // "MFT1"

class Parser {
 public:
  explicit Parser(const ByteSource& source) : source_(source) {}

  Result<Manifest> parse() const {
    const Result<SectionTable> table = readSections();
    if (!table) return std::unexpected(table.error());
    const Result<std::string> abi = readNote(*table, abiNote);
    if (!abi) return std::unexpected(abi.error());
    const Result<std::string> devices = readNote(*table, manifestNote);
    if (!devices) return std::unexpected(devices.error());
    Manifest manifest;
    if (const Result<void> parsed = parseAbi(*abi, manifest); !parsed) return std::unexpected(parsed.error());
    if (const Result<void> parsed = parseDevices(*devices, manifest); !parsed)
      return std::unexpected(parsed.error());
    return manifest;
  }

 private:
  template <class... Values>
  std::unexpected<Error> invalid(fmt::format_string<Values...> text, Values&&... values) const {
    return fail(Reason::ImageInvalid, fmt::format("{} is not a valid Solo5 image: {}", source_.name(),
                                                  fmt::format(text, std::forward<Values>(values)...)));
  }

  /// Bytes that the file itself places: `what` names them should they not be there.
  Result<std::string> read(std::uint64_t offset, std::uint64_t length, std::string_view what) const {
    if (offset > source_.size() || length > source_.size() - offset)
      return invalid("{} ({} bytes at offset {}) lies beyond the end of the file ({} bytes)", what, length,
                     offset, source_.size());
    return source_.read(offset, static_cast<std::size_t>(length));
  }

  Result<Elf64_Ehdr> readElfHeader() const {
    const Result<std::string> magic =
        source_.read(0, static_cast<std::size_t>(std::min<std::uint64_t>(source_.size(), SELFMAG)));
    if (!magic) return std::unexpected(magic.error());
    if (*magic != std::string_view(ELFMAG, SELFMAG))
      return invalid("it is not an ELF file; build it for the target hvt or spt");
    const Result<std::string> bytes = read(0, sizeof(Elf64_Ehdr), "its ELF header");
    if (!bytes) return std::unexpected(bytes.error());
    const auto header = valueAt<Elf64_Ehdr>(*bytes, 0);
    if (header.e_ident[EI_CLASS] != ELFCLASS64) return invalid("it is not a 64-bit ELF file");
    if (header.e_ident[EI_DATA] != ELFDATA2LSB) return invalid("it is not a little-endian ELF file");
    constexpr std::size_t paddingStart = EI_ABIVERSION + 1;
    if (!allZero(std::string_view(*bytes).substr(paddingStart, EI_NIDENT - paddingStart)))
      return invalid("the padding of its ELF identification (bytes 9 to 15) is not zero");
    return header;
  }

  Result<SectionTable> readSections() const {
    const Result<Elf64_Ehdr> header = readElfHeader();
    if (!header) return std::unexpected(header.error());
    if (header->e_shnum == 0) return invalid("it has no section table, and so no Solo5 notes");
    if (header->e_shentsize != sizeof(Elf64_Shdr))
      return invalid("its section headers have {} bytes, not {}", +header->e_shentsize, sizeof(Elf64_Shdr));
    if (header->e_shoff > UINT32_MAX) return invalid("its section table lies beyond 4 GiB");
    Result<std::string> headers =
        read(header->e_shoff, std::uint64_t{header->e_shnum} * sizeof(Elf64_Shdr), "its section table");
    if (!headers) return std::unexpected(headers.error());
    if (header->e_shstrndx >= header->e_shnum)
      return invalid("its section names are said to be in section {}, but it has {} sections",
                     +header->e_shstrndx, +header->e_shnum);
    SectionTable table{.headers = *std::move(headers), .names = {}};
    Result<std::string> names = readSectionNames(table[header->e_shstrndx]);
    if (!names) return std::unexpected(names.error());
    table.names = *std::move(names);
    if (const Result<void> checked = checkNames(table); !checked) return std::unexpected(checked.error());
    return table;
  }

  Result<std::string> readSectionNames(const Elf64_Shdr& section) const {
    if (section.sh_size > maxSectionNames)
      return invalid("its section names take {} bytes, {} at most", section.sh_size, maxSectionNames);
    return read(section.sh_offset, section.sh_size, "its section name table");
  }

  /// Every name must be readable, not just the two that matter: the server reads them all.
  Result<void> checkNames(const SectionTable& table) const {
    const std::size_t lastEnd = table.names.rfind('\0');
    for (std::size_t i = 0; i < table.size(); ++i) {
      const std::uint32_t offset = table[i].sh_name;
      if (offset >= table.names.size())
        return invalid("the name of section {} lies beyond the section name table", i);
      if (lastEnd == std::string::npos || offset > lastEnd)
        return invalid("the name of section {} has no end", i);
    }
    return {};
  }

  /// Looks at no more of each name than is sought: all of them may be one of a MiB.
  static std::optional<Elf64_Shdr> findSection(const SectionTable& table, std::string_view name) {
    const std::string terminated = std::string(name) + '\0';
    for (std::size_t i = 0; i < table.size(); ++i) {
      const Elf64_Shdr section = table[i];
      if (std::string_view(table.names).substr(section.sh_name).starts_with(terminated)) return section;
    }
    return std::nullopt;
  }

  /// The descriptor of a note, which must fill its section.
  Result<std::string> readNote(const SectionTable& table, const NoteKind& kind) const {
    const std::optional<Elf64_Shdr> section = findSection(table, kind.section);
    if (!section) return invalid("it has no section {}; build it for the target hvt or spt", kind.section);
    constexpr std::size_t longest = noteHeaderSize + manifestHeaderSize + maxEntries * entrySize;
    const Result<std::string> note =
        read(section->sh_offset, std::min<std::uint64_t>(section->sh_size, longest), kind.section);
    if (!note) return std::unexpected(note.error());
    if (note->size() < noteHeaderSize)
      return invalid("section {} has {} bytes, too few for a note", kind.section, section->sh_size);
    const auto header = valueAt<Elf64_Nhdr>(*note, 0);
    if (header.n_namesz != noteOwner.size() ||
        std::string_view(*note).substr(sizeof(Elf64_Nhdr), noteOwner.size()) != noteOwner)
      return invalid("the owner of the note in section {} is not \"Solo5\"", kind.section);
    if (header.n_type != kind.type)
      return invalid("the note in section {} has type {:#x}, not {:#x}", kind.section, header.n_type,
                     kind.type);
    if (noteHeaderSize + std::uint64_t{header.n_descsz} != section->sh_size)
      return invalid("the note in section {} claims a descriptor of {} bytes, but the section holds {}",
                     kind.section, header.n_descsz, section->sh_size - noteHeaderSize);
    return note->substr(noteHeaderSize);
  }

  Result<void> parseAbi(std::string_view descriptor, Manifest& manifest) const {
    if (descriptor.size() != abiSize)
      return invalid("the ABI note's descriptor has {} bytes, not {}", descriptor.size(), abiSize);
    const auto target = valueAt<std::uint32_t>(descriptor, 0);
    if (target < static_cast<std::uint32_t>(Target::Hvt) || target > static_cast<std::uint32_t>(Target::Xen))
      return invalid("the ABI note names target {}, which is none of Solo5's", target);
    if (!allZero(descriptor.substr(8))) return invalid("the ABI note's reserved words are not zero");
    manifest.target = static_cast<Target>(target);
    manifest.abiVersion = valueAt<std::uint32_t>(descriptor, 4);
    return {};
  }

  Result<void> parseDevices(std::string_view descriptor, Manifest& manifest) const {
    if (descriptor.size() < manifestHeaderSize)
      return invalid("the manifest note's descriptor has {} bytes, too few", descriptor.size());
    const auto version = valueAt<std::uint32_t>(descriptor, 4);
    const auto entries = valueAt<std::uint32_t>(descriptor, 8);
    if (version != 1) return invalid("the manifest note has version {}; version 1 is supported", version);
    if (entries == 0)
      return invalid("the manifest note lists no entries, at least the reserved one is needed");
    if (entries > maxEntries)
      return invalid("the manifest note lists {} entries, {} at most", entries, maxEntries);
    const std::size_t needed = manifestHeaderSize + entries * entrySize;
    if (descriptor.size() != needed)
      return invalid("the manifest note lists {} entries, which take {} bytes, but has {}", entries, needed,
                     descriptor.size());
    for (std::size_t i = 0; i < entries; ++i) {
      const std::string_view entry = descriptor.substr(manifestHeaderSize + i * entrySize, entrySize);
      if (const Result<void> parsed = parseEntry(entry, i, manifest); !parsed) return parsed;
    }
    return {};
  }

  Result<void> parseEntry(std::string_view entry, std::size_t index, Manifest& manifest) const {
    constexpr std::uint32_t block = 1;
    constexpr std::uint32_t network = 2;
    constexpr std::uint32_t reserved = 0x40000000;
    // After name and type come what the tender fills in: 24 bytes and a flag; what follows the flag is
    // padding.
    constexpr std::size_t runtimeStart = entryNameSize + sizeof(std::uint32_t);
    constexpr std::size_t runtimeSize = 16 + 8 + 1;
    const auto type = valueAt<std::uint32_t>(entry, entryNameSize);
    if (!allZero(entry.substr(runtimeStart, runtimeSize)))
      return invalid("entry {} of the manifest note has reserved fields that are not zero", index);
    if (index == 0) {
      if (type == reserved && allZero(entry.substr(0, entryNameSize))) return {};
      return invalid("entry 0 of the manifest note is not the reserved one");
    }
    if (type != block && type != network)
      return invalid("entry {} of the manifest note has type {:#x}, which is no device", index, type);
    const std::size_t end = entry.substr(0, entryNameSize).find('\0');
    if (end == std::string_view::npos)
      return invalid("the name in entry {} of the manifest note has no end", index);
    const std::string_view name = entry.substr(0, end);
    if (!isDeviceName(name))
      return invalid("the name in entry {} of the manifest note is empty or not printable ASCII", index);
    std::set<std::string>& devices = type == block ? manifest.blockDevices : manifest.networkDevices;
    if (!devices.emplace(name).second)
      return invalid("the manifest note lists the {} device {} twice", type == block ? "block" : "network",
                     name);
    return {};
  }

  const ByteSource& source_;
};

class Memory : public ByteSource {
 public:
  explicit Memory(std::string_view bytes) : bytes_(bytes) {}
  std::string name() const override { return "the image"; }
  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::string> read(std::uint64_t offset, std::size_t length) const override {
    return std::string(bytes_.substr(static_cast<std::size_t>(offset), length));
  }

 private:
  std::string_view bytes_;
};

}  // namespace

Result<Manifest> parseImage(const ByteSource& source) { return Parser(source).parse(); }

Result<Manifest> parseImage(std::string_view bytes) { return parseImage(Memory(bytes)); }

}  // namespace rookery::image
