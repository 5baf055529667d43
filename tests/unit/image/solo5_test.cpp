#include "image/solo5.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "images/image_maker.h"

namespace rookery::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const images::ImageSpec twoDevices{.networks = {"service"}, .blocks = {"data"}, .size = 0};

template <class T>
T get(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

// Where things stand in an image, so that tests can say what they break.
constexpr std::size_t sectionCount = offsetof(Elf64_Ehdr, e_shnum);
constexpr std::size_t sectionSize = offsetof(Elf64_Ehdr, e_shentsize);
constexpr std::size_t sectionNamesIndex = offsetof(Elf64_Ehdr, e_shstrndx);
constexpr std::size_t sectionTable = offsetof(Elf64_Ehdr, e_shoff);

enum Section : std::size_t { Interp = 1, Abi, Devices, Text, Names };

std::size_t header(const std::string& image, Section section) {
  return get<std::uint64_t>(image, sectionTable) + section * sizeof(Elf64_Shdr);
}
std::size_t note(const std::string& image, Section section) {
  return get<std::uint64_t>(image, header(image, section) + offsetof(Elf64_Shdr, sh_offset));
}
std::size_t descriptor(const std::string& image, Section section) { return note(image, section) + 20; }
std::size_t entry(const std::string& image, std::size_t index) {
  return descriptor(image, Devices) + 12 + index * 104;
}

TEST(ParseImage, ReadsTargetAndDevices) {
  const Result<Manifest> manifest = parseImage(images::makeImage({.target = 2,
                                                                  .abiVersion = 7,
                                                                  .networks = {"service", "uplink"},
                                                                  .blocks = {"data"},
                                                                  .size = 1 << 20}));
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->target, Target::Spt);
  EXPECT_EQ(toString(manifest->target), "spt");
  EXPECT_EQ(manifest->abiVersion, 7u);
  EXPECT_THAT(manifest->networkDevices, ElementsAre("service", "uplink"));
  EXPECT_THAT(manifest->blockDevices, ElementsAre("data"));
}

TEST(ParseImage, TakesImagesWithoutDevicesAndWithAsManyAsThereMayBe) {
  const Result<Manifest> none = parseImage(images::makeImage({}));
  ASSERT_TRUE(none);
  EXPECT_THAT(none->networkDevices, IsEmpty());
  images::ImageSpec full;
  for (int i = 0; i < 63; ++i) full.networks.push_back("net" + std::to_string(i));
  full.networks.front() = std::string(67, 'n');
  const Result<Manifest> many = parseImage(images::makeImage(full));
  ASSERT_TRUE(many) << many.error().message;
  EXPECT_EQ(many->networkDevices.size(), 63u);
}

TEST(ParseImage, TakesOneNameForANetworkAndABlockDevice) {
  EXPECT_TRUE(parseImage(images::makeImage({.networks = {"data"}, .blocks = {"data"}})));
}

struct Malformed {
  std::string name;
  std::function<void(std::string& image)> damage;
  std::string message;
};

class MalformedImage : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedImage, IsRefusedWithItsPlace) {
  std::string image = images::makeImage(twoDevices);
  ASSERT_TRUE(parseImage(image));
  GetParam().damage(image);
  const Result<Manifest> manifest = parseImage(image);
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().reason, Reason::ImageInvalid);
  EXPECT_THAT(manifest.error().message,
              ::testing::AllOf(::testing::StartsWith("the image is not a valid Solo5 image: "),
                               HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Elf, MalformedImage,
    ::testing::Values(
        Malformed{"Empty", [](auto& image) { image.clear(); }, "it is not an ELF file"},
        Malformed{"Script", [](auto& image) { image = "#!/bin/sh\n"; }, "it is not an ELF file"},
        Malformed{"ShortHeader", [](auto& image) { image.resize(40); },
                  "its ELF header (64 bytes at offset 0) lies beyond the end of the file (40 bytes)"},
        Malformed{"Elf32", [](auto& image) { image[EI_CLASS] = ELFCLASS32; }, "not a 64-bit ELF file"},
        Malformed{"BigEndian", [](auto& image) { image[EI_DATA] = ELFDATA2MSB; },
                  "not a little-endian ELF file"},
        Malformed{"Identification", [](auto& image) { image[12] = 1; }, "ELF identification (bytes 9 to 15)"},
        Malformed{"NoSections", [](auto& image) { put<std::uint16_t>(image, sectionCount, 0); },
                  "it has no section table"},
        Malformed{"SectionHeaderSize", [](auto& image) { put<std::uint16_t>(image, sectionSize, 40); },
                  "its section headers have 40 bytes, not 64"},
        Malformed{"TooManySections", [](auto& image) { put<std::uint16_t>(image, sectionCount, 0xffff); },
                  "its section table (4194240 bytes at offset"},
        Malformed{"TableBeyondEnd", [](auto& image) { put<std::uint64_t>(image, sectionTable, 0x7fffffff); },
                  "its section table (384 bytes at offset 2147483647) lies beyond the end"},
        Malformed{"TableOverflows",
                  [](auto& image) { put<std::uint64_t>(image, sectionTable, UINT64_MAX - 8); },
                  "its section table lies beyond 4 GiB"},
        Malformed{"NamesIndex", [](auto& image) { put<std::uint16_t>(image, sectionNamesIndex, 6); },
                  "section names are said to be in section 6, but it has 6 sections"},
        Malformed{"NamesBeyondEnd",
                  [](auto& image) { put<std::uint64_t>(image, header(image, Names) + 24, UINT64_MAX); },
                  "its section name table (62 bytes at offset 18446744073709551615)"},
        Malformed{"NamesHuge",
                  [](auto& image) { put<std::uint64_t>(image, header(image, Names) + 32, 1u << 30); },
                  "its section names take 1073741824 bytes, 1048576 at most"},
        Malformed{"NameBeyondTable", [](auto& image) { put<std::uint32_t>(image, header(image, Text), 62); },
                  "the name of section 4 lies beyond the section name table"},
        Malformed{"NameWithoutEnd",
                  [](auto& image) { put<std::uint64_t>(image, header(image, Names) + 32, 61); },
                  "the name of section 5 has no end"},
        Malformed{"NoNames", [](auto& image) { put<std::uint64_t>(image, header(image, Names) + 32, 0); },
                  "the name of section 0 lies beyond"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Notes, MalformedImage,
    ::testing::Values(
        Malformed{"NoAbi", [](auto& image) { put<std::uint32_t>(image, header(image, Abi), 0); },
                  "it has no section .note.solo5.abi"},
        Malformed{"NoManifest", [](auto& image) { put<std::uint32_t>(image, header(image, Devices), 0); },
                  "it has no section .note.solo5.manifest"},
        Malformed{"NoteBeyondEnd",
                  [](auto& image) { put<std::uint64_t>(image, header(image, Abi) + 24, image.size() - 4); },
                  ".note.solo5.abi (36 bytes at offset"},
        Malformed{"NoteTooShort", [](auto& image) { put<std::uint64_t>(image, header(image, Abi) + 32, 19); },
                  "section .note.solo5.abi has 19 bytes, too few for a note"},
        Malformed{"OwnerSize", [](auto& image) { put<std::uint32_t>(image, note(image, Abi), 7); },
                  "the owner of the note in section .note.solo5.abi is not \"Solo5\""},
        Malformed{"Owner", [](auto& image) { image[note(image, Devices) + 12] = 'G'; },
                  "the owner of the note in section .note.solo5.manifest is not"},
        Malformed{"Type", [](auto& image) { put<std::uint32_t>(image, note(image, Devices) + 8, 1); },
                  "the note in section .note.solo5.manifest has type 0x1, not 0x3154464d"},
        Malformed{"DescriptorTooLong",
                  [](auto& image) { put<std::uint32_t>(image, note(image, Devices) + 4, UINT32_MAX); },
                  "claims a descriptor of 4294967295 bytes, but the section holds 324"},
        Malformed{"DescriptorTooShort",
                  [](auto& image) { put<std::uint32_t>(image, note(image, Abi) + 4, 12); },
                  "claims a descriptor of 12 bytes, but the section holds 16"},
        Malformed{"AbiSize",
                  [](auto& image) {
                    put<std::uint32_t>(image, note(image, Abi) + 4, 12);
                    put<std::uint64_t>(image, header(image, Abi) + 32, 32);
                  },
                  "the ABI note's descriptor has 12 bytes, not 16"},
        Malformed{"TargetZero", [](auto& image) { put<std::uint32_t>(image, descriptor(image, Abi), 0); },
                  "the ABI note names target 0, which is none of Solo5's"},
        Malformed{"TargetUnknown", [](auto& image) { put<std::uint32_t>(image, descriptor(image, Abi), 7); },
                  "the ABI note names target 7"},
        Malformed{"AbiReserved", [](auto& image) { image[descriptor(image, Abi) + 15] = 1; },
                  "the ABI note's reserved words are not zero"},
        Malformed{"ManifestSize",
                  [](auto& image) {
                    put<std::uint32_t>(image, note(image, Devices) + 4, 8);
                    put<std::uint64_t>(image, header(image, Devices) + 32, 28);
                  },
                  "the manifest note's descriptor has 8 bytes, too few"},
        Malformed{"ManifestVersion",
                  [](auto& image) { put<std::uint32_t>(image, descriptor(image, Devices) + 4, 2); },
                  "the manifest note has version 2"},
        Malformed{"NoEntries",
                  [](auto& image) { put<std::uint32_t>(image, descriptor(image, Devices) + 8, 0); },
                  "the manifest note lists no entries"},
        Malformed{"TooManyEntries",
                  [](auto& image) { put<std::uint32_t>(image, descriptor(image, Devices) + 8, 65); },
                  "the manifest note lists 65 entries, 64 at most"},
        Malformed{"EntriesMissing",
                  [](auto& image) { put<std::uint32_t>(image, descriptor(image, Devices) + 8, 4); },
                  "the manifest note lists 4 entries, which take 428 bytes, but has 324"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Entries, MalformedImage,
    ::testing::Values(
        Malformed{"FirstIsDevice", [](auto& image) { put<std::uint32_t>(image, entry(image, 0) + 68, 1); },
                  "entry 0 of the manifest note is not the reserved one"},
        Malformed{"FirstHasName", [](auto& image) { image[entry(image, 0)] = 'x'; },
                  "entry 0 of the manifest note is not the reserved one"},
        Malformed{"SecondReserved",
                  [](auto& image) { put<std::uint32_t>(image, entry(image, 1) + 68, 0x40000000); },
                  "entry 1 of the manifest note has type 0x40000000, which is no device"},
        Malformed{"NameWithoutEnd",
                  [](auto& image) { image.replace(entry(image, 2), 68, std::string(68, 'n')); },
                  "the name in entry 2 of the manifest note has no end"},
        Malformed{"NameEmpty", [](auto& image) { image[entry(image, 1)] = '\0'; },
                  "the name in entry 1 of the manifest note is empty"},
        Malformed{"NameControl", [](auto& image) { image[entry(image, 1)] = '\x1b'; },
                  "the name in entry 1 of the manifest note is empty or not printable ASCII"},
        Malformed{"Union", [](auto& image) { image[entry(image, 1) + 87] = 1; },
                  "entry 1 of the manifest note has reserved fields that are not zero"},
        Malformed{"Descriptor", [](auto& image) { image[entry(image, 2) + 88] = 1; },
                  "entry 2 of the manifest note has reserved fields that are not zero"},
        Malformed{"Attached", [](auto& image) { image[entry(image, 2) + 96] = 1; },
                  "entry 2 of the manifest note has reserved fields that are not zero"},
        Malformed{"Twice",
                  [](auto& image) { image = images::makeImage({.networks = {"service", "b", "service"}}); },
                  "the manifest note lists the network device service twice"}),
    [](const auto& test) { return test.param.name; });

TEST(ParseImage, DoesNotLookAtTheInterpreterOrThePaddingAfterAFlag) {
  std::string image = images::makeImage(twoDevices);
  image[note(image, Interp)] = '!';
  image[entry(image, 1) + 97] = 1;
  EXPECT_TRUE(parseImage(image));
}

// The section table is the last thing in a file: without its end, no image is valid.
TEST(ParseImage, RefusesEveryTruncation) {
  const std::string image = images::makeImage(twoDevices);
  for (std::size_t length = 0; length < image.size(); ++length)
    ASSERT_FALSE(parseImage(std::string_view(image).substr(0, length))) << length;
}

// What the sanitizers watch: whatever the bytes, an answer. An accepted image has names within the limits.
void expectAnswer(const std::string& image) {
  const Result<Manifest> manifest = parseImage(image);
  if (!manifest) {
    ASSERT_EQ(manifest.error().reason, Reason::ImageInvalid);
    return;
  }
  for (const auto& devices : {manifest->blockDevices, manifest->networkDevices})
    for (const std::string& name : devices) ASSERT_TRUE(!name.empty() && name.size() < 68) << name;
}

TEST(ParseImage, AnswersWhateverOneByteSays) {
  const std::string image = images::makeImage(twoDevices);
  for (std::size_t i = 0; i < image.size(); ++i) {
    for (const char value : {'\x00', '\x01', '\x40', '\x7f', '\x80', '\xff'}) {
      std::string damaged = image;
      damaged[i] = value;
      ASSERT_NO_FATAL_FAILURE(expectAnswer(damaged)) << "byte " << i;
    }
  }
}

TEST(ParseImage, AnswersWhateverSeveralBytesSay) {
  const std::string image = images::makeImage(twoDevices);
  std::mt19937 random(20);  // a fixed seed: the same images every time
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = image;
    for (auto count = 1 + random() % 8; count > 0; --count)
      damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    ASSERT_NO_FATAL_FAILURE(expectAnswer(damaged)) << "round " << round;
  }
}

// All its sections share one name of a MiB. Whoever reads each of them to its end reads 64 GiB.
TEST(ParseImage, DoesNotReadALongNameForEachSection) {
  constexpr std::size_t namesSize = 1 << 20;
  constexpr std::uint16_t sections = 65'535;
  std::string image(sizeof(Elf64_Ehdr) + namesSize, 'n');
  Elf64_Ehdr elf{};
  std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
  elf.e_ident[EI_CLASS] = ELFCLASS64;
  elf.e_ident[EI_DATA] = ELFDATA2LSB;
  elf.e_shoff = image.size();
  elf.e_shentsize = sizeof(Elf64_Shdr);
  elf.e_shnum = sections;
  put(image, 0, elf);
  image.back() = '\0';
  Elf64_Shdr section{};
  section.sh_offset = sizeof(Elf64_Ehdr);
  section.sh_size = namesSize;
  std::string table(sections * sizeof section, '\0');
  for (std::size_t i = 0; i < sections; ++i) put(table, i * sizeof section, section);
  const Result<Manifest> manifest = parseImage(image + table);
  ASSERT_FALSE(manifest);
  EXPECT_THAT(manifest.error().message, HasSubstr("it has no section .note.solo5.abi"));
}

}  // namespace
}  // namespace rookery::image
