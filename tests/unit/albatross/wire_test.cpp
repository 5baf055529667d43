#include "albatross/wire.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rookery::albatross {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// -- Values of the golden data as C++
// ------------------------------------------------------------------------

/// Hexadecimal digits; "(a5*70000)" is a byte that often.
std::string fromHex(std::string_view hex) {
  std::string bytes;
  while (!hex.empty()) {
    const bool run = hex.front() == '(';
    if (run) hex.remove_prefix(1);
    const auto byte = static_cast<char>(std::stoi(std::string(hex.substr(0, 2)), nullptr, 16));
    hex.remove_prefix(2);
    if (!run) {
      bytes += byte;
      continue;
    }
    const std::size_t end = hex.find(')');
    bytes.append(std::stoul(std::string(hex.substr(1, end - 1))), byte);
    hex.remove_prefix(end + 1);
  }
  return bytes;
}

std::string toHex(std::string_view bytes) {
  return fmt::format("{:02x}",
                     fmt::join(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                               reinterpret_cast<const std::uint8_t*>(bytes.data()) + bytes.size(), ""));
}

template <class T, class Convert>
std::optional<T> optionalOf(const json& j, Convert convert) {
  if (j.is_null()) return std::nullopt;
  return convert(j);
}

std::int64_t number(const json& j) {
  return j.is_string() ? std::stoll(j.get<std::string>()) : j.get<std::int64_t>();
}
std::string hex(const json& j) { return fromHex(j.get<std::string>()); }
std::string text(const json& j) {
  return j.is_object() ? hex(j.at("invalid_utf8_hex")) : j.get<std::string>();
}

std::optional<std::int64_t> maybeNumber(const json& j) { return optionalOf<std::int64_t>(j, number); }
std::optional<std::string> maybeText(const json& j) { return optionalOf<std::string>(j, text); }
std::optional<std::string> maybeHex(const json& j) { return optionalOf<std::string>(j, hex); }

template <class T, class Convert>
std::vector<T> listOf(const json& j, Convert convert) {
  std::vector<T> list;
  for (const auto& element : j) list.push_back(convert(element));
  return list;
}

std::set<std::int64_t> numbers(const json& j) {
  return j.is_null() ? std::set<std::int64_t>{} : j.get<std::set<std::int64_t>>();
}

std::optional<std::vector<std::string>> maybeTexts(const json& j) {
  return optionalOf<std::vector<std::string>>(
      j, [](const json& list) { return listOf<std::string>(list, text); });
}

/// "2024-10-04T00:00:01.123456789000-00:00", to the millisecond, which is all that a Time holds.
Time time(const json& j) {
  const auto iso = j.get<std::string>();
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millisecond = 0;
  EXPECT_EQ(std::sscanf(iso.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3d", &year, &month, &day, &hour, &minute,
                        &second, &millisecond),
            7);
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::milliseconds(millisecond);
}

Name nameOf(const json& j) { return Name::parse(j.get<std::string>()).value(); }
Mac macOf(const json& j) { return parseMac(j.get<std::string>()).value(); }

UnikernelType typeOf(const json& j) { return j == "solo5" ? UnikernelType::Solo5 : UnikernelType::Bhyve; }

FailBehaviour failBehaviourOf(const json& j) {
  if (j.at("kind") == "quit") return {};
  return {.restart = true, .exitCodes = numbers(j.at("exit_codes"))};
}

Block blockOf(const json& j) {
  return {.name = text(j.at("name")),
          .device = maybeText(j.at("host_device")),
          .sectorSize = maybeNumber(j.at("sector_size"))};
}

Bridge bridgeOf(const json& j) {
  return {.netif = text(j.at("name")),
          .bridge = maybeText(j.at("host_device")),
          .mac = optionalOf<Mac>(j.at("mac"), macOf)};
}

Arguments argumentsOf(const json& j) {
  return {.failBehaviour = failBehaviourOf(j.at("fail_behaviour")),
          .startup = maybeNumber(j.at("startup")),
          .addName = j.at("add_name"),
          .cpuIDs = numbers(j.at("cpuids")),
          .memory = j.at("memory"),
          .blocks = listOf<Block>(j.at("block_devices"), blockOf),
          .bridges = listOf<Bridge>(j.at("bridges"), bridgeOf),
          .arguments = maybeTexts(j.at("argv")),
          .numcpus = j.at("numcpus"),
          .linuxBootPartition = maybeText(j.at("linux_boot_partition"))};
}

Config configOf(const json& j) {
  return {.type = typeOf(j.at("typ")),
          .compressed = j.at("compressed"),
          .image = hex(j.at("image_hex")),
          .arguments = argumentsOf(j)};
}

Policy policyOf(const json& j) {
  return {.cpuIDs = numbers(j.at("cpuids")),
          .unikernels = j.at("unikernels"),
          .memory = j.at("memory"),
          .block = maybeNumber(j.at("block")),
          .bridges = j.at("bridges").get<std::set<std::string>>()};
}

UnikernelInfo infoOf(const json& j) {
  const auto block = [](const json& b) {
    return BlockInfo{.unikernelDevice = text(b.at("unikernel_device")),
                     .hostDevice = text(b.at("host_device")),
                     .sectorSize = b.at("sector_size"),
                     .size = b.at("size")};
  };
  const auto bridge = [](const json& b) {
    return BridgeInfo{.unikernelDevice = text(b.at("unikernel_device")),
                      .hostDevice = text(b.at("host_device")),
                      .mac = macOf(b.at("mac"))};
  };
  return {.type = typeOf(j.at("typ")),
          .startup = maybeNumber(j.at("startup")),
          .failBehaviour = failBehaviourOf(j.at("fail_behaviour")),
          .cpuIDs = numbers(j.at("cpuids")),
          .memory = j.at("memory"),
          .digest = hex(j.at("digest_hex")),
          .blocks = listOf<BlockInfo>(j.at("block_devices"), block),
          .bridges = listOf<BridgeInfo>(j.at("bridges"), bridge),
          .arguments = maybeTexts(j.at("argv")),
          .started = time(j.at("started")),
          .numcpus = j.at("numcpus"),
          .linuxBootPartition = maybeText(j.at("linux_boot_partition"))};
}

ConsoleCommand consoleOf(const std::string& cmd, const json& j) {
  if (cmd == "add") return console::Add{j.at("count")};
  if (cmd == "list_inactive") return console::ListInactive{};
  if (j.contains("since")) return console::Subscribe{time(j.at("since"))};
  return console::Subscribe{j.at("count").get<std::int64_t>()};
}

StatsCommand statsOf(const std::string& cmd, const json& j) {
  if (cmd == "remove") return stats::Remove{};
  if (cmd == "subscribe") return stats::Subscribe{};
  if (cmd == "initial") return stats::Initial{};
  const auto tap = [](const json& n) { return std::pair(text(n.at("bridge")), text(n.at("tap"))); };
  return stats::Add{.vmmDevice = text(j.at("vmmdev")),
                    .pid = j.at("pid"),
                    .networks = listOf<std::pair<std::string, std::string>>(j.at("network"), tap)};
}

UnikernelCommand unikernelOf(const std::string& cmd, const json& j) {
  if (cmd == "create") return unikernel::Create{configOf(j.at("config"))};
  if (cmd == "force_create") return unikernel::ForceCreate{configOf(j.at("config"))};
  if (cmd == "restart") return unikernel::Restart{optionalOf<Arguments>(j.at("arguments"), argumentsOf)};
  if (cmd == "destroy") return unikernel::Destroy{};
  if (cmd == "get") return unikernel::Get{j.at("compress_level")};
  return unikernel::Info{cmd == "old_info4" ? Era::V25 : cmd == "old_info5" ? Era::V26 : Era::Current};
}

PolicyCommand policyCommandOf(const std::string& cmd, const json& j) {
  if (cmd == "add") return policy::Add{policyOf(j.at("policy"))};
  if (cmd == "remove") return policy::Remove{};
  return policy::Info{};
}

BlockCommand blockCommandOf(const std::string& cmd, const json& j) {
  if (cmd == "add") return block::Add{j.at("size")};
  if (cmd == "remove") return block::Remove{};
  if (cmd == "dump") return block::Dump{j.at("compress_level")};
  if (cmd == "set") return block::Set{j.at("compressed")};
  if (cmd == "old_add") return block::OldAdd{j.at("size"), j.at("compressed"), maybeHex(j.at("data_hex"))};
  if (cmd == "old_set") return block::OldSet{j.at("compressed"), hex(j.at("data_hex"))};
  if (cmd == "old_dump") return block::OldDump{j.at("compress_level")};
  return block::Info{};
}

Command commandOf(const json& j) {
  const std::string cmd = j.at("cmd");
  const std::string group = j.at("group");
  if (group == "console") return consoleOf(cmd, j);
  if (group == "stats") return statsOf(cmd, j);
  if (group == "unikernel") return unikernelOf(cmd, j);
  if (group == "policy") return policyCommandOf(cmd, j);
  return blockCommandOf(cmd, j);
}

success::UnikernelList unikernelsOf(Era era, const json& j) {
  const auto entry = [](const json& u) { return std::pair(nameOf(u.at("name")), infoOf(u.at("info"))); };
  return {.unikernels = listOf<Unikernels::value_type>(j.at("unikernels"), entry), .era = era};
}

Success successOf(const json& j) {
  const std::string kind = j.at("success");
  if (kind == "string") return success::Text{text(j.at("string"))};
  if (kind == "policies") {
    const auto entry = [](const json& p) {
      return std::pair(nameOf(p.at("name")), policyOf(p.at("policy")));
    };
    return success::PolicyList{listOf<Policies::value_type>(j.at("policies"), entry)};
  }
  if (kind == "block_devices") {
    const auto entry = [](const json& b) {
      return std::pair(nameOf(b.at("name")), BlockDevice{.size = b.at("size"), .active = b.at("active")});
    };
    return success::BlockDeviceList{listOf<BlockDevices::value_type>(j.at("block_devices"), entry)};
  }
  if (kind == "unikernel_image") return success::UnikernelImage{j.at("compressed"), hex(j.at("image_hex"))};
  if (kind == "old_block_device_image")
    return success::OldBlockDeviceImage{j.at("compressed"), hex(j.at("image_hex"))};
  if (kind == "block_device_image") return success::BlockDeviceImage{j.at("compressed")};
  if (kind == "consoles") return success::Consoles{listOf<Name>(j.at("consoles"), nameOf)};
  if (kind == "old_unikernel_info4") return unikernelsOf(Era::V25, j);
  if (kind == "old_unikernel_info5") return unikernelsOf(Era::V26, j);
  if (kind == "unikernel_info") return unikernelsOf(Era::Current, j);
  return success::Empty{};
}

Timeval timevalOf(const json& j) {
  return {.seconds = number(j.at("sec")), .microseconds = number(j.at("usec"))};
}

Rusage rusageOf(const json& j) {
  const auto at = [&j](const char* key) { return number(j.at(key)); };
  return {.utime = timevalOf(j.at("utime")),
          .stime = timevalOf(j.at("stime")),
          .maxrss = at("maxrss"),
          .ixrss = at("ixrss"),
          .idrss = at("idrss"),
          .isrss = at("isrss"),
          .minflt = at("minflt"),
          .majflt = at("majflt"),
          .nswap = at("nswap"),
          .inblock = at("inblock"),
          .outblock = at("outblock"),
          .msgsnd = at("msgsnd"),
          .msgrcv = at("msgrcv"),
          .nsignals = at("nsignals"),
          .nvcsw = at("nvcsw"),
          .nivcsw = at("nivcsw")};
}

KinfoMem kinfoOf(const json& j) {
  const auto at = [&j](const char* key) { return number(j.at(key)); };
  return {.vsize = at("vsize"),
          .rss = at("rss"),
          .tsize = at("tsize"),
          .dsize = at("dsize"),
          .ssize = at("ssize"),
          .runtime = at("runtime"),
          .cow = at("cow"),
          .start = timevalOf(j.at("start"))};
}

IfData ifDataOf(const json& j) {
  const auto at = [&j](const char* key) { return number(j.at(key)); };
  return {.bridge = text(j.at("bridge")),
          .flags = at("flags"),
          .sendLength = at("send_length"),
          .maxSendLength = at("max_send_length"),
          .sendDrops = at("send_drops"),
          .mtu = at("mtu"),
          .baudrate = at("baudrate"),
          .inputPackets = at("input_packets"),
          .inputErrors = at("input_errors"),
          .outputPackets = at("output_packets"),
          .outputErrors = at("output_errors"),
          .collisions = at("collisions"),
          .inputBytes = at("input_bytes"),
          .outputBytes = at("output_bytes"),
          .inputMcast = at("input_mcast"),
          .outputMcast = at("output_mcast"),
          .inputDropped = at("input_dropped"),
          .outputDropped = at("output_dropped")};
}

Data dataOf(const json& j) {
  const std::string kind = j.at("data");
  if (kind == "console") return data::Console{time(j.at("timestamp")), text(j.at("line"))};
  if (kind == "block") return data::Block{maybeHex(j.at("block_hex"))};
  using Counters = std::vector<std::pair<std::string, std::int64_t>>;
  const auto counters = [](const json& list) {
    return listOf<Counters::value_type>(
        list, [](const json& c) { return std::pair(text(c.at("key")), number(c.at("value"))); });
  };
  return data::Statistics{.rusage = rusageOf(j.at("rusage")),
                          .interfaces = listOf<IfData>(j.at("ifdata"), ifDataOf),
                          .vmm = optionalOf<Counters>(j.at("vmm"), counters),
                          .kinfo = optionalOf<KinfoMem>(j.at("kinfo_mem"), kinfoOf)};
}

Payload payloadOf(const json& j) {
  const std::string type = j.at("type");
  if (type == "command") return commandOf(j.at("command"));
  if (type == "success") return successOf(j);
  if (type == "failure") return Failure{text(j.at("message"))};
  return dataOf(j);
}

Wire wireOf(const json& j) {
  const json& header = j.at("header");
  return {.header = {.sequence = number(header.at("sequence")), .name = nameOf(header.at("name"))},
          .payload = payloadOf(j.at("payload"))};
}

// -- The golden data
// -----------------------------------------------------------------------------------------

const json& vectors() {
  static const json all = json::parse(std::ifstream(TEST_DATA "/wire.json"));
  return all;
}

/// Calls `visit` with every vector of `kind` and validity; returns how many there were.
template <class Visit>
int eachVector(std::string_view kind, bool valid, Visit visit) {
  int count = 0;
  for (const json& vector : vectors()) {
    if (vector.at("kind") != kind || vector.at("valid") != valid) continue;
    SCOPED_TRACE(vector.at("description").get<std::string>());
    visit(vector, hex(vector.at("der_hex")));
    ++count;
  }
  return count;
}

const json& decodedValue(const json& vector) {
  return vector.at(vector.contains("decoded_value") ? "decoded_value" : "value");
}

/// Calls `visit` with the value of every valid vector of `kind` and what it is to be written as; returns how
/// many valid ones there were. A value that a Time cannot hold is written as the server would write what it
/// decodes to.
template <class Visit>
int eachEncoding(std::string_view kind, Visit visit) {
  return eachVector(kind, true, [&](const json& vector, const std::string& der) {
    if (vector.contains("noncanonical")) return;
    visit(vector.at("value"), vector.contains("reencoded_hex") ? hex(vector.at("reencoded_hex")) : der);
  });
}

/// The vectors' values do not say in which form a create is.
Wire inForm(const json& vector, Wire message) {
  const auto description = vector.at("description").get<std::string>();
  const bool v3 = description.starts_with("old create [9]");
  if (v3 || description.starts_with("old create [16]")) {
    auto& command = std::get<UnikernelCommand>(std::get<Command>(message.payload));
    std::get<unikernel::Create>(command).era = v3 ? Era::V25 : Era::V26;
  }
  return message;
}

TEST(Wire, HasAllVectors) { EXPECT_EQ(vectors().size(), 352U); }

TEST(Wire, DecodesEveryValidMessage) {
  const int count = eachVector("wire", true, [](const json& vector, const std::string& der) {
    const auto message = decodeWire(der);
    ASSERT_TRUE(message) << message.error().message;
    EXPECT_EQ(*message, inForm(vector, wireOf(decodedValue(vector))));
  });
  EXPECT_EQ(count, 188);
}

TEST(Wire, EncodesEveryValidMessage) {
  const int count = eachEncoding("wire", [](const json& value, const std::string& expected) {
    EXPECT_EQ(toHex(encode(wireOf(value))), toHex(expected));
  });
  EXPECT_EQ(count, 188);
}

TEST(Wire, RefusesEveryInvalidMessage) {
  const int count = eachVector("wire", false, [](const json&, const std::string& der) {
    const auto message = decodeWire(der);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().reason, Reason::ProtocolError);
    EXPECT_THAT(message.error().message, HasSubstr("at byte"));
  });
  EXPECT_EQ(count, 54);
}

TEST(Wire, DecodesEveryValidExtension) {
  const int count = eachVector("cert_extension", true, [](const json& vector, const std::string& der) {
    const auto command = decodeExtension(der);
    ASSERT_TRUE(command) << command.error().message;
    EXPECT_EQ(*command, commandOf(decodedValue(vector).at("command")));
  });
  EXPECT_EQ(count, 100);
}

TEST(Wire, EncodesEveryValidExtension) {
  const int count = eachEncoding("cert_extension", [](const json& value, const std::string& expected) {
    EXPECT_EQ(toHex(encodeExtension(commandOf(value.at("command")))), toHex(expected));
  });
  EXPECT_EQ(count, 100);
}

TEST(Wire, RefusesEveryInvalidExtension) {
  const int count = eachVector("cert_extension", false, [](const json&, const std::string& der) {
    const auto command = decodeExtension(der);
    ASSERT_FALSE(command);
    EXPECT_EQ(command.error().reason, Reason::ProtocolError);
    EXPECT_THAT(command.error().message, HasSubstr("at byte"));
  });
  EXPECT_EQ(count, 10);
}

// -- Beyond the golden data
// ----------------------------------------------------------------------------------

/// [number] around an encoding of less than 126 bytes, constructed.
std::string tagged(unsigned number, const std::string& content) {
  return std::string{static_cast<char>(0xa0U | number), static_cast<char>(content.size())} + content;
}

std::string sequence(const std::string& content) {
  return std::string{'\x30', static_cast<char>(content.size())} + content;
}

std::string unikernelExtension(unsigned number, const std::string& content) {
  return sequence(fromHex("020105") + tagged(3, tagged(number, content)));
}

TEST(Wire, DecodesLegacyForms) {
  Arguments plain;
  plain.cpuIDs = {1};
  plain.memory = 64;
  Arguments named = plain;
  named.startup = 7;
  named.addName = false;
  named.arguments = {{"-v"}};
  const std::string quit = fromHex("a0020500");
  const std::string cpuAndMemory = fromHex(
      "020101"
      "020140");
  const std::string image = fromHex(
      "a0020500"
      "010100"
      "0400");
  const std::string argumentList = fromHex(
      "a206"
      "3004"
      "0c022d76");
  const std::string named7 = fromHex(
      "020107"
      "010100");

  const auto config = [](const Arguments& arguments) {
    return Config{.type = UnikernelType::Solo5, .compressed = false, .image = {}, .arguments = arguments};
  };
  const struct {
    std::string_view form;
    std::string der;
    Command command;
  } cases[] = {
      {"restart old2", unikernelExtension(14, tagged(1, sequence(quit + cpuAndMemory))),
       UnikernelCommand(unikernel::Restart{plain, Era::V25})},
      {"restart old",
       unikernelExtension(14, tagged(2, sequence(quit + named7 + cpuAndMemory + argumentList))),
       UnikernelCommand(unikernel::Restart{named, Era::V26})},
      {"create-v3", unikernelExtension(9, sequence(image + quit + cpuAndMemory)),
       UnikernelCommand(unikernel::Create{config(plain), Era::V25})},
      {"force-create-v3", unikernelExtension(10, sequence(image + quit + cpuAndMemory)),
       UnikernelCommand(unikernel::ForceCreate{config(plain), Era::V25})},
      {"create-v4", unikernelExtension(16, sequence(image + named7 + quit + cpuAndMemory + argumentList)),
       UnikernelCommand(unikernel::Create{config(named), Era::V26})},
      {"force-create-v4",
       unikernelExtension(17, sequence(image + named7 + quit + cpuAndMemory + argumentList)),
       UnikernelCommand(unikernel::ForceCreate{config(named), Era::V26})},
  };
  for (const auto& [form, der, command] : cases) {
    SCOPED_TRACE(form);
    const auto decoded = decodeExtension(der);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, command);
    EXPECT_EQ(encodeExtension(command), der) << "in the same form";
  }
}

TEST(Wire, ErrorsSayWhereAndWhat) {
  const std::string header = fromHex(
      "3010"
      "020105"
      "04080000000000000000"
      "0c013a");
  const auto command = [&header](const std::string& der) { return sequence(header + tagged(0, der)); };
  const auto reply = [&header](const std::string& der) { return sequence(header + tagged(1, der)); };
  const struct {
    std::string der;
    std::string_view message;
  } cases[] = {
      {"", "at byte 0: SEQUENCE is missing."},
      {"\x16\x03\x01", "at byte 0: SEQUENCE expected, tag 0x16 found."},
      {sequence(header),
       "at byte 20, in payload: one of command [0], reply [1], failure [2], data [3] is missing."},
      {fromHex("301a3010020104040800000000000000000c013aa006a304b3020500"),
       "at byte 4, in header.version: unknown protocol version 4; this program speaks 5."},
      {fromHex("3019300f0201050407000000000000000c013aa006a304b3020500"),
       "at byte 7, in header.sequence: a 64-bit number has 7 bytes."},
      {fromHex("301c3012020105040800000000000000000c03615fffa006a304b3020500"),
       "at byte 17, in header.name: \"a_\\xff\" is not a name: labels are joined by colons, and a label has "
       "1 to 63 "
       "letters, digits, dots and hyphens, and does not start with a hyphen."},
      {command(tagged(2, fromHex("0500"))),
       "at byte 22, in payload.command: one of console [0], statistics [1], unikernel [3], policy [4], block "
       "[5] "
       "expected, [2] found."},
      {command(tagged(3, tagged(20, sequence(fromHex("a0020500"
                                                     "010100"
                                                     "0400"
                                                     "0101ff"
                                                     "a0020500"
                                                     "3103020100"))))),
       "at byte 49, in payload.command.unikernel.create.memory: INTEGER is missing."},
      {reply(tagged(12, sequence(fromHex("0c023a61"
                                         "0c00")))),
       "at byte 30, in payload.reply.consoles[1]: \"\" is not a name: labels are joined by colons, and a "
       "label has 1 to "
       "63 letters, digits, dots and hyphens, and does not start with a hyphen."},
      {reply(tagged(2, sequence(sequence(fromHex("0c013a"
                                                 "300b"
                                                 "3000"
                                                 "02020001"
                                                 "020101"
                                                 "3000"))))),
       "at byte 35, in payload.reply.policies[0].policy.unikernels: INTEGER is longer than it has to be."},
  };
  for (const auto& [der, message] : cases) {
    const auto decoded = decodeWire(der);
    ASSERT_FALSE(decoded) << toHex(der);
    EXPECT_EQ(decoded.error().message, fmt::format("An Albatross message is malformed {}", message));
  }
  const auto extension = decodeExtension("");
  ASSERT_FALSE(extension);
  EXPECT_EQ(extension.error().message,
            "The Albatross extension of a certificate is malformed at byte 0: SEQUENCE is missing.");
}

/// Whether `der` is accepted. What is, is written as something that is read and written as the same again.
bool isAccepted(const std::string& der) {
  const auto message = decodeWire(der);
  if (!message) return false;
  const std::string encoded = encode(*message);
  const auto again = decodeWire(encoded);
  EXPECT_TRUE(again && encode(*again) == encoded) << toHex(der) << " becomes " << toHex(encoded);
  return true;
}

TEST(Wire, SurvivesDamage) {
  constexpr std::size_t sampled = 9;    // every ninth message,
  constexpr std::size_t longest = 500;  // if it is no longer than that
  constexpr std::uint8_t flips[] = {0x01, 0x02, 0x20, 0x7f, 0x80, 0xff};
  std::size_t index = 0;
  int accepted = 0;
  eachVector("wire", true, [&](const json&, const std::string& der) {
    if (index++ % sampled != 0 || der.size() > longest) return;
    for (std::size_t at = 0; at < der.size(); ++at) {
      EXPECT_FALSE(decodeWire(std::string_view(der).substr(0, at))) << "cut off after " << at << " bytes";
      for (const std::uint8_t flip : flips) {
        std::string damaged = der;
        damaged[at] = static_cast<char>(static_cast<std::uint8_t>(damaged[at]) ^ flip);
        accepted += isAccepted(damaged) ? 1 : 0;
      }
    }
  });
  EXPECT_GT(accepted, 1000) << "some damage changes values, not structure, and must get through";
}

TEST(Wire, FrameHeaderIsABigEndianLength) {
  EXPECT_EQ(toHex(frameHeader(0)), "00000000");
  EXPECT_EQ(toHex(frameHeader(0x01020304)), "01020304");
  EXPECT_EQ(toHex(frameHeader(0x7fffffff)), "7fffffff");
}

TEST(WireDeathTest, OldFormsHoldOneCpu) {
  UnikernelInfo twoCpus;
  twoCpus.cpuIDs = {0, 1};
  const Wire list{.header = {}, .payload = success::UnikernelList{{{Name(), twoCpus}}, Era::V26}};
  EXPECT_DEATH(encode(list), "exactly one CPU id");
}

}  // namespace
}  // namespace rookery::albatross
