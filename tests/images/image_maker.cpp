#include "images/image_maker.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace rookery::images {

namespace {

constexpr std::string_view interpreter{"/nonexistent/solo5/\0", 20};
constexpr std::string_view noteOwner{"Solo5\0", 6};
constexpr std::string_view sectionNames{
    "\0.interp\0.note.solo5.abi\0.note.solo5.manifest\0.text\0.shstrtab\0", 62};
constexpr std::uint32_t abiNote = 0x31494241;       // "ABI1"
constexpr std::uint32_t manifestNote = 0x3154464d;  // "MFT1"
constexpr std::uint64_t loadAddress = 0x100000;
constexpr std::uint64_t segments = 4;
constexpr std::uint64_t sections = 6;

/// A file as what it begins and ends with; all between is zero.
struct Parts {
  std::string head;
  std::string tail;
  std::uint64_t size = 0;
};

template <class T>
void append(std::string& out, const T& value) {
  std::array<char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.append(bytes.data(), bytes.size());
}

void align(std::string& out, std::size_t alignment) {
  out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
}

std::string note(std::uint32_t type, std::string_view descriptor) {
  std::string out;
  append(out, Elf64_Nhdr{.n_namesz = noteOwner.size(),
                         .n_descsz = static_cast<std::uint32_t>(descriptor.size()),
                         .n_type = type});
  out += noteOwner;
  align(out, 4);
  out += descriptor;
  return out;
}

std::string abiDescriptor(const ImageSpec& spec) {
  std::string out;
  for (const std::uint32_t word : {spec.target, spec.abiVersion, 0u, 0u}) append(out, word);
  return out;
}

void appendDevice(std::string& out, std::string_view name, std::uint32_t type) {
  constexpr std::size_t nameSize = 68;
  constexpr std::size_t reserved = 32;
  check(name.size() < nameSize, "a device name of a test image has at most 67 bytes");
  out += name;
  out.append(nameSize - name.size(), '\0');
  append(out, type);
  out.append(reserved, '\0');
}

std::string manifestDescriptor(const ImageSpec& spec) {
  std::string out;
  const auto entries = static_cast<std::uint32_t>(1 + spec.blocks.size() + spec.networks.size());
  for (const std::uint32_t word : {0u, 1u, entries}) append(out, word);
  appendDevice(out, "", 0x40000000);
  for (const std::string& name : spec.blocks) appendDevice(out, name, 1);
  for (const std::string& name : spec.networks) appendDevice(out, name, 2);
  return out;
}

/// A stretch of the file that a segment and a section describe.
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

Elf64_Phdr segment(std::uint32_t type, Extent extent, std::uint64_t alignment) {
  return {.p_type = type,
          .p_flags = type == PT_LOAD ? std::uint32_t{PF_R | PF_X} : std::uint32_t{PF_R},
          .p_offset = extent.offset,
          .p_vaddr = loadAddress + extent.offset,
          .p_paddr = loadAddress + extent.offset,
          .p_filesz = extent.size,
          .p_memsz = extent.size,
          .p_align = alignment};
}

Elf64_Shdr section(std::string_view name, std::uint32_t type, Extent extent, std::uint64_t alignment) {
  const bool loaded = type != SHT_STRTAB;
  return {.sh_name = static_cast<std::uint32_t>(sectionNames.find(name)),
          .sh_type = type,
          .sh_flags = loaded ? std::uint64_t{SHF_ALLOC} : 0,
          .sh_addr = loaded ? loadAddress + extent.offset : 0,
          .sh_offset = extent.offset,
          .sh_size = extent.size,
          .sh_link = 0,
          .sh_info = 0,
          .sh_addralign = alignment,
          .sh_entsize = 0};
}

Elf64_Ehdr elfHeader(std::uint64_t sectionTable) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = loadAddress;
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_shoff = sectionTable;
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = segments;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = sections;
  header.e_shstrndx = sections - 1;
  return header;
}

/// The headers come first and the section table last, as linkers do it.
Parts layOut(const ImageSpec& spec) {
  std::string notes(sizeof(Elf64_Ehdr) + segments * sizeof(Elf64_Phdr), '\0');
  const auto place = [&notes](std::string_view bytes) {
    align(notes, 8);
    const Extent extent{notes.size(), bytes.size()};
    notes += bytes;
    return extent;
  };
  const Extent interp = place(interpreter);
  const Extent abi = place(note(abiNote, abiDescriptor(spec)));
  const Extent manifest = place(note(manifestNote, manifestDescriptor(spec)));
  align(notes, 16);
  const std::uint64_t bodyStart = notes.size();
  const std::string contents = notes + spec.content;

  constexpr std::uint64_t tableSize = sections * sizeof(Elf64_Shdr);
  constexpr std::uint64_t namesSize = (sectionNames.size() + 7) / 8 * 8;
  Parts parts;
  parts.size = std::max<std::uint64_t>(spec.size, contents.size() + namesSize + tableSize);
  const Extent names{parts.size - tableSize - namesSize, sectionNames.size()};
  const Extent body{bodyStart, names.offset - bodyStart};

  append(parts.head, elfHeader(parts.size - tableSize));
  append(parts.head, segment(PT_INTERP, interp, 1));
  append(parts.head, segment(PT_LOAD, {0, names.offset}, 4096));
  append(parts.head, segment(PT_NOTE, abi, 4));
  append(parts.head, segment(PT_NOTE, manifest, 4));
  parts.head += contents.substr(parts.head.size());

  parts.tail = sectionNames;
  align(parts.tail, 8);
  append(parts.tail, Elf64_Shdr{});
  append(parts.tail, section(".interp", SHT_PROGBITS, interp, 1));
  append(parts.tail, section(".note.solo5.abi", SHT_NOTE, abi, 4));
  append(parts.tail, section(".note.solo5.manifest", SHT_NOTE, manifest, 4));
  append(parts.tail, section(".text", SHT_PROGBITS, body, 16));
  append(parts.tail, section(".shstrtab", SHT_STRTAB, names, 1));
  return parts;
}

bool writeAll(int file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return true;
}

bool writeFile(const std::filesystem::path& path, const Parts& parts) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return false;
  const bool written = ::ftruncate(file, static_cast<off_t>(parts.size)) == 0 &&
                       writeAll(file, parts.head, 0) &&
                       writeAll(file, parts.tail, parts.size - parts.tail.size());
  const int writeError = errno;
  const bool closed = ::close(file) == 0;
  if (!written) errno = writeError;
  return written && closed;
}

}  // namespace

std::string makeImage(const ImageSpec& spec) {
  Parts parts = layOut(spec);
  parts.head.resize(parts.size - parts.tail.size(), '\0');
  return std::move(parts.head) + parts.tail;
}

Result<void> writeImage(const ImageSpec& spec, const std::filesystem::path& path) {
  const std::filesystem::path temporary = path.string() + ".part";
  if (writeFile(temporary, layOut(spec)) && ::rename(temporary.c_str(), path.c_str()) == 0) return {};
  const std::string cause = std::generic_category().message(errno);
  ::unlink(temporary.c_str());
  return fail(Reason::SystemError, "image " + path.string() + " cannot be written: " + cause);
}

}  // namespace rookery::images
