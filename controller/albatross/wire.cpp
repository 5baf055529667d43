#include "albatross/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "albatross/der.h"
#include "albatross/grammar.h"

namespace rookery::albatross {

/// The grammar, production by production, each under its ASN.1 notation. [n] is EXPLICIT unless said
/// otherwise. Names of fields and alternatives are what error messages show.
namespace grammar {

// -- Types of the protocol that a primitive type carries ----------------------------------------------------

// Int64 ::= OCTET STRING (SIZE 8, big-endian)
struct Int64 {
  using Value = std::int64_t;
  static constexpr Tag tag = Tag::OctetString;
  static bool read(Reader& in, std::int64_t& value) {
    std::string bytes;
    if (!in.bytes(tag, bytes)) return false;
    // The server ignores what follows the eighth byte.
    if (bytes.size() < sizeof value)
      return in.fail(fmt::format("a 64-bit number has {} bytes.", bytes.size()));
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < sizeof bits; ++i) bits = bits << 8U | static_cast<std::uint8_t>(bytes[i]);
    value = static_cast<std::int64_t>(bits);
    return true;
  }
  static void write(Writer& out, std::int64_t value) {
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    out.bytes(tag, bytes);
  }
};
constexpr Int64 int64;

struct MacAddress {
  using Value = Mac;
  static constexpr Tag tag = Tag::OctetString;
  static bool read(Reader& in, Mac& value) {
    std::string bytes;
    if (!in.bytes(tag, bytes)) return false;
    if (bytes.size() != value.size())
      return in.fail(fmt::format("a MAC address has {} bytes, not 6.", bytes.size()));
    std::ranges::copy(bytes, value.begin());
    return true;
  }
  static void write(Writer& out, const Mac& value) {
    out.bytes(tag, std::string(value.begin(), value.end()));
  }
};
constexpr MacAddress mac;

struct WireName {
  using Value = Name;
  static constexpr Tag tag = Tag::Utf8String;
  static bool read(Reader& in, Name& value) {
    std::string text;
    if (!in.bytes(tag, text)) return false;
    auto parsed = Name::parse(text);
    if (!parsed) return in.fail(std::move(parsed.error().message));
    value = std::move(*parsed);
    return true;
  }
  static void write(Writer& out, const Name& value) { out.bytes(tag, value.toString()); }
};
constexpr WireName name;

/// A set of exactly one INTEGER: what older generations have in place of a SET OF.
struct Single {
  using Value = std::set<std::int64_t>;
  static constexpr Tag tag = Tag::Integer;
  static bool read(Reader& in, Value& value) {
    std::int64_t element = 0;
    if (!in.integer(element)) return false;
    value = {element};
    return true;
  }
  static void write(Writer& out, const Value& value) {
    check(value.size() == 1, "the forms of an older generation have exactly one CPU id");
    out.integer(*value.begin());
  }
};
constexpr Single single;

/// The field `version INTEGER (5)`, which C++ values do not have.
struct Version {
  template <class Owner>
  static bool read(Reader& in, Owner&) {
    return in.field("version", [&] {
      std::int64_t version = 0;
      if (!in.integer(version)) return false;
      if (version == wireVersion) return true;
      return in.fail(
          fmt::format("unknown protocol version {}; this program speaks {}.", version, wireVersion));
    });
  }
  template <class Owner>
  static void write(Writer& out, const Owner&) {
    out.integer(wireVersion);
  }
};
constexpr Version version;

// -- Unikernels ---------------------------------------------------------------------------------------------

// Typ ::= CHOICE { solo5 [0] NULL, bhyve [1] NULL }
constexpr auto typ = choice<UnikernelType>(alternative("solo5", 0, null(UnikernelType::Solo5)),
                                           alternative("bhyve", 1, null(UnikernelType::Bhyve)));

// FailBehaviour ::= CHOICE { quit [0] NULL, restart [1] SET OF INTEGER }
constexpr auto failBehaviour = choice<FailBehaviour>(
    alternative("quit", 0, when(&FailBehaviour::restart, false, nothing)),
    alternative("restart", 1,
                when(&FailBehaviour::restart, true, only(&FailBehaviour::exitCodes, setOf(integer)))));

// Block ::= SEQUENCE { name UTF8String, device UTF8String OPTIONAL, sector-size INTEGER OPTIONAL }
constexpr auto block = sequence<Block>(required("name", &Block::name, utf8String),
                                       optional("device", &Block::device, utf8String),
                                       optional("sector-size", &Block::sectorSize, integer));

// Bridge ::= SEQUENCE { netif UTF8String, bridge UTF8String OPTIONAL, mac OCTET STRING (SIZE 6) OPTIONAL }
constexpr auto bridge =
    sequence<Bridge>(required("netif", &Bridge::netif, utf8String),
                     optional("bridge", &Bridge::bridge, utf8String), optional("mac", &Bridge::mac, mac));

/// The fields that Config and Arguments of all generations are made of.
namespace argument {
constexpr auto failBehaviour =
    required("fail-behaviour", &Arguments::failBehaviour, ref<grammar::failBehaviour>);
constexpr auto startup = optional("startup", &Arguments::startup, integer);
constexpr auto addName = required("add-name", &Arguments::addName, boolean);
constexpr auto cpuID = required("cpuid", &Arguments::cpuIDs, single);
constexpr auto cpuIDs = required("cpuids", &Arguments::cpuIDs, setOf(integer));
constexpr auto memory = required("memory", &Arguments::memory, integer);
constexpr auto blocks = optional("blocks", &Arguments::blocks, tagged(0, setOf(ref<block>)));
constexpr auto bridges = optional("bridges", &Arguments::bridges, tagged(1, setOf(ref<bridge>)));
constexpr auto arguments = optional("arguments", &Arguments::arguments, tagged(2, sequenceOf(utf8String)));
constexpr auto numcpus = defaulted("numcpus", &Arguments::numcpus, tagged(3, integer));
constexpr auto partition =
    optional("linux-boot-partition", &Arguments::linuxBootPartition, tagged(4, utf8String));
}  // namespace argument

// Arguments   ::= SEQUENCE { fail-behaviour FailBehaviour, startup INTEGER OPTIONAL, add-name BOOLEAN,
//                   cpuids SET OF INTEGER, memory INTEGER, blocks [0] SET OF Block OPTIONAL,
//                   bridges [1] SET OF Bridge OPTIONAL, arguments [2] SEQUENCE OF UTF8String OPTIONAL,
//                   numcpus [3] INTEGER OPTIONAL, linux-boot-partition [4] UTF8String OPTIONAL }
// ArgumentsV1 ::= the same with cpuid INTEGER in place of cpuids, and without [3] and [4]
// ArgumentsV0 ::= ArgumentsV1 without startup and add-name
constexpr auto arguments = sequence<Arguments>(
    argument::failBehaviour, argument::startup, argument::addName, argument::cpuIDs, argument::memory,
    argument::blocks, argument::bridges, argument::arguments, argument::numcpus, argument::partition);
constexpr auto argumentsV1 =
    sequence<Arguments>(argument::failBehaviour, argument::startup, argument::addName, argument::cpuID,
                        argument::memory, argument::blocks, argument::bridges, argument::arguments);
constexpr auto argumentsV0 = sequence<Arguments>(argument::failBehaviour, argument::cpuID, argument::memory,
                                                 argument::blocks, argument::bridges, argument::arguments);

// Config   ::= SEQUENCE { typ Typ, compressed BOOLEAN, image OCTET STRING, startup INTEGER OPTIONAL,
//                add-name BOOLEAN, fail-behaviour FailBehaviour, cpuids SET OF INTEGER, memory INTEGER,
//                and [0] to [4] as in Arguments }
// ConfigV4 ::= the same with cpuid INTEGER in place of cpuids, and without [3] and [4]
// ConfigV3 ::= ConfigV4 without startup and add-name
template <class... Fields>
constexpr auto configWith(Fields... fields) {
  return sequence<Config>(
      required("typ", &Config::type, ref<typ>), required("compressed", &Config::compressed, boolean),
      required("image", &Config::image, octetString), inside(&Config::arguments, fields...));
}
constexpr auto config = configWith(argument::startup, argument::addName, argument::failBehaviour,
                                   argument::cpuIDs, argument::memory, argument::blocks, argument::bridges,
                                   argument::arguments, argument::numcpus, argument::partition);
constexpr auto configV4 =
    configWith(argument::startup, argument::addName, argument::failBehaviour, argument::cpuID,
               argument::memory, argument::blocks, argument::bridges, argument::arguments);
constexpr auto configV3 = configWith(argument::failBehaviour, argument::cpuID, argument::memory,
                                     argument::blocks, argument::bridges, argument::arguments);

// -- Commands -----------------------------------------------------------------------------------------------

// UnikernelCmd ::= CHOICE { destroy [3] NULL, create-v3 [9] ConfigV3, force-create-v3 [10] ConfigV3,
//                    get [11] INTEGER (compression level),
//                    restart [14] CHOICE { none [0] NULL, old2 [1] ArgumentsV0, old [2] ArgumentsV1,
//                      arguments [3] Arguments },
//                    info4 [15] NULL, create-v4 [16] ConfigV4, force-create-v4 [17] ConfigV4,
//                    info5 [18] NULL, info [19] NULL, create [20] Config, force-create [21] Config }
constexpr auto restart = choice<std::optional<Arguments>>(
    alternative("none", 0, none<Arguments>), legacy("old2", 1, some<Arguments>(ref<argumentsV0>)),
    legacy("old", 2, some<Arguments>(ref<argumentsV1>)),
    alternative("arguments", 3, some<Arguments>(ref<arguments>)));

/// A restart with arguments, in the form of its era.
struct RestartForms {
  using Value = unikernel::Restart;
  static bool read(Reader& in, Value& value) {
    if (in.next(der::context(1))) value.era = Era::V25;
    if (in.next(der::context(2))) value.era = Era::V26;
    return restart.read(in, value.arguments);
  }
  static void write(Writer& out, const Value& value) {
    if (value.arguments && value.era == Era::V25)
      return tagged(1, ref<argumentsV0>).write(out, *value.arguments);
    if (value.arguments && value.era == Era::V26)
      return tagged(2, ref<argumentsV1>).write(out, *value.arguments);
    restart.write(out, value.arguments);
  }
};
constexpr RestartForms restartForms;

constexpr auto unikernelCmd = choice<UnikernelCommand>(
    alternative("destroy", 3, null(unikernel::Destroy{})),
    alternative("create-v3", 9,
                when(&unikernel::Create::era, Era::V25, only(&unikernel::Create::config, ref<configV3>))),
    alternative(
        "force-create-v3", 10,
        when(&unikernel::ForceCreate::era, Era::V25, only(&unikernel::ForceCreate::config, ref<configV3>))),
    alternative("get", 11, only(&unikernel::Get::compressionLevel, integer)),
    alternative("restart", 14, restartForms), alternative("info4", 15, null(unikernel::Info{Era::V25})),
    alternative("create-v4", 16,
                when(&unikernel::Create::era, Era::V26, only(&unikernel::Create::config, ref<configV4>))),
    alternative(
        "force-create-v4", 17,
        when(&unikernel::ForceCreate::era, Era::V26, only(&unikernel::ForceCreate::config, ref<configV4>))),
    alternative("info5", 18, null(unikernel::Info{Era::V26})),
    alternative("info", 19, null(unikernel::Info{Era::Current})),
    alternative("create", 20,
                when(&unikernel::Create::era, Era::Current, only(&unikernel::Create::config, ref<config>))),
    alternative("force-create", 21,
                when(&unikernel::ForceCreate::era, Era::Current,
                     only(&unikernel::ForceCreate::config, ref<config>))));

// Policy ::= SEQUENCE { cpuids SEQUENCE OF INTEGER, unikernels INTEGER, memory INTEGER (MB),
//              block INTEGER (MB) OPTIONAL, bridges SEQUENCE OF UTF8String }
constexpr auto policy =
    sequence<Policy>(required("cpuids", &Policy::cpuIDs, sequenceOf(integer)),
                     required("unikernels", &Policy::unikernels, integer),
                     required("memory", &Policy::memory, integer), optional("block", &Policy::block, integer),
                     required("bridges", &Policy::bridges, sequenceOf(utf8String)));

// PolicyCmd ::= CHOICE { info [0] NULL, add [1] Policy, remove [2] NULL }
constexpr auto policyCmd =
    choice<PolicyCommand>(alternative("info", 0, null(policy::Info{})),
                          alternative("add", 1, only(&policy::Add::policy, ref<policy>)),
                          alternative("remove", 2, null(policy::Remove{})));

// BlockCmd ::= CHOICE { info [0] NULL, add [1] INTEGER (MB), remove [2] NULL,
//                add-old [3] SEQUENCE { size INTEGER, compressed BOOLEAN, data OCTET STRING OPTIONAL },
//                set-old [4] SEQUENCE { compressed BOOLEAN, data OCTET STRING }, dump-old [5] INTEGER,
//                dump [6] INTEGER (level), set [7] BOOLEAN (compressed) }
constexpr auto blockCmd = choice<BlockCommand>(
    alternative("info", 0, null(block::Info{})), alternative("add", 1, only(&block::Add::size, integer)),
    alternative("remove", 2, null(block::Remove{})),
    alternative("add-old", 3,
                sequence<block::OldAdd>(required("size", &block::OldAdd::size, integer),
                                        required("compressed", &block::OldAdd::compressed, boolean),
                                        optional("data", &block::OldAdd::data, octetString))),
    alternative("set-old", 4,
                sequence<block::OldSet>(required("compressed", &block::OldSet::compressed, boolean),
                                        required("data", &block::OldSet::data, octetString))),
    alternative("dump-old", 5, only(&block::OldDump::compressionLevel, integer)),
    alternative("dump", 6, only(&block::Dump::compressionLevel, integer)),
    alternative("set", 7, only(&block::Set::compressed, boolean)));

// Console ::= CHOICE { add [0] INTEGER,
//               subscribe [2] CHOICE { since [0] GeneralizedTime, count [1] INTEGER }, inactive [3] NULL }
using ConsoleStart = decltype(console::Subscribe::from);
constexpr auto consoleStart =
    choice<ConsoleStart>(alternative("since", 0, generalizedTime), alternative("count", 1, integer));
constexpr auto console =
    choice<ConsoleCommand>(alternative("add", 0, only(&console::Add::count, integer)),
                           alternative("subscribe", 2, only(&console::Subscribe::from, ref<consoleStart>)),
                           alternative("inactive", 3, null(console::ListInactive{})));

// Stats ::= CHOICE { add [0] SEQUENCE { vmmdev UTF8String, pid INTEGER,
//                      network SEQUENCE OF SEQUENCE { bridge UTF8String, tap UTF8String } },
//             remove [1] NULL, subscribe [2] NULL, initial [3] NULL }
using Tap = decltype(stats::Add::networks)::value_type;
constexpr auto tap =
    sequence<Tap>(required("bridge", &Tap::first, utf8String), required("tap", &Tap::second, utf8String));
constexpr auto stats = choice<StatsCommand>(
    alternative("add", 0,
                sequence<stats::Add>(required("vmmdev", &stats::Add::vmmDevice, utf8String),
                                     required("pid", &stats::Add::pid, integer),
                                     required("network", &stats::Add::networks, sequenceOf(ref<tap>)))),
    alternative("remove", 1, null(stats::Remove{})), alternative("subscribe", 2, null(stats::Subscribe{})),
    alternative("initial", 3, null(stats::Initial{})));

// Command ::= CHOICE { console [0] Console, statistics [1] Stats, unikernel [3] UnikernelCmd,
//               policy [4] PolicyCmd, block [5] BlockCmd }       -- [2] was the log: refused, as by the
//               server
constexpr auto command =
    choice<Command>(alternative("console", 0, ref<console>), alternative("statistics", 1, ref<stats>),
                    alternative("unikernel", 3, ref<unikernelCmd>), alternative("policy", 4, ref<policyCmd>),
                    alternative("block", 5, ref<blockCmd>));

// CertExtension ::= SEQUENCE { version INTEGER (5), command Command }
struct CertExtension {
  Command command;
};
constexpr auto certExtension =
    sequence<CertExtension>(version, required("command", &CertExtension::command, ref<command>));

// -- Replies ------------------------------------------------------------------------------------------------

// BlockInfo ::= SEQUENCE { unikernel-device UTF8String, host-device UTF8String, sector-size INTEGER,
//                 size INTEGER (MB) }
constexpr auto blockInfo = sequence<BlockInfo>(
    required("unikernel-device", &BlockInfo::unikernelDevice, utf8String),
    required("host-device", &BlockInfo::hostDevice, utf8String),
    required("sector-size", &BlockInfo::sectorSize, integer), required("size", &BlockInfo::size, integer));

// BridgeInfo ::= SEQUENCE { unikernel-device UTF8String, host-device UTF8String, mac OCTET STRING (SIZE 6) }
constexpr auto bridgeInfo = sequence<BridgeInfo>(
    required("unikernel-device", &BridgeInfo::unikernelDevice, utf8String),
    required("host-device", &BridgeInfo::hostDevice, utf8String), required("mac", &BridgeInfo::mac, mac));

/// The fields that Info of all generations is made of.
namespace property {
constexpr auto typ = required("typ", &UnikernelInfo::type, ref<grammar::typ>);
constexpr auto startup = optional("startup", &UnikernelInfo::startup, integer);
constexpr auto failBehaviour =
    required("fail-behaviour", &UnikernelInfo::failBehaviour, ref<grammar::failBehaviour>);
constexpr auto cpuID = required("cpuid", &UnikernelInfo::cpuIDs, single);
constexpr auto cpuIDs = required("cpuids", &UnikernelInfo::cpuIDs, setOf(integer));
constexpr auto memory = required("memory", &UnikernelInfo::memory, integer);
constexpr auto digest = required("digest", &UnikernelInfo::digest, octetString);
constexpr auto blocks = optional("blocks", &UnikernelInfo::blocks, tagged(0, setOf(ref<blockInfo>)));
constexpr auto bridges = optional("bridges", &UnikernelInfo::bridges, tagged(1, setOf(ref<bridgeInfo>)));
constexpr auto arguments =
    optional("arguments", &UnikernelInfo::arguments, tagged(2, sequenceOf(utf8String)));
constexpr auto started = optional("started", &UnikernelInfo::started, tagged(3, generalizedTime));
constexpr auto numcpus = defaulted("cpus", &UnikernelInfo::numcpus, tagged(4, integer));
constexpr auto partition =
    optional("linux-boot-partition", &UnikernelInfo::linuxBootPartition, tagged(5, utf8String));
}  // namespace property

// Info  ::= SEQUENCE { typ Typ, startup INTEGER OPTIONAL, fail-behaviour FailBehaviour,
//             cpuids SET OF INTEGER, memory INTEGER, digest OCTET STRING,
//             blocks [0] SET OF BlockInfo OPTIONAL, bridges [1] SET OF BridgeInfo OPTIONAL,
//             arguments [2] SEQUENCE OF UTF8String OPTIONAL, started [3] GeneralizedTime OPTIONAL,
//             cpus [4] INTEGER OPTIONAL, linux-boot-partition [5] UTF8String OPTIONAL }
// Info5 ::= the same with cpuid INTEGER in place of cpuids, and without [4] and [5]
// Info4 ::= Info5 without startup
constexpr auto info =
    sequence<UnikernelInfo>(property::typ, property::startup, property::failBehaviour, property::cpuIDs,
                            property::memory, property::digest, property::blocks, property::bridges,
                            property::arguments, property::started, property::numcpus, property::partition);
constexpr auto info5 = sequence<UnikernelInfo>(
    property::typ, property::startup, property::failBehaviour, property::cpuID, property::memory,
    property::digest, property::blocks, property::bridges, property::arguments, property::started);
constexpr auto info4 = sequence<UnikernelInfo>(property::typ, property::failBehaviour, property::cpuID,
                                               property::memory, property::digest, property::blocks,
                                               property::bridges, property::arguments, property::started);

/// SEQUENCE { name UTF8String, `what` type }
template <class Codec>
constexpr auto named(std::string_view what, Codec type) {
  using Entry = std::pair<Name, typename Codec::Value>;
  return sequence<Entry>(required("name", &Entry::first, name), required(what, &Entry::second, type));
}

// SEQUENCE { name UTF8String, size INTEGER (MB), active BOOLEAN }
using NamedBlockDevice = BlockDevices::value_type;
constexpr auto blockDevice = sequence<NamedBlockDevice>(
    required("name", &NamedBlockDevice::first, name),
    inside(&NamedBlockDevice::second, required("size", &BlockDevice::size, integer),
           required("active", &BlockDevice::active, boolean)));

/// SEQUENCE OF SEQUENCE { name UTF8String, info Info } of one generation.
template <class Codec>
constexpr auto unikernels(Era era, Codec type) {
  return when(&success::UnikernelList::era, era,
              only(&success::UnikernelList::unikernels, sequenceOf(named("info", type))));
}

// Success ::= CHOICE { empty [0] NULL, string [1] UTF8String,
//    policies [2] SEQUENCE OF SEQUENCE { name UTF8String, policy Policy },
//    block-devices [4] SEQUENCE OF SEQUENCE { name UTF8String, size INTEGER (MB), active BOOLEAN },
//    unikernel-image [6] SEQUENCE { compressed BOOLEAN, image OCTET STRING },
//    old-block-device-image [7] SEQUENCE { compressed BOOLEAN, image OCTET STRING },
//    info4 [9] SEQUENCE OF SEQUENCE { name UTF8String, info Info4 },
//    block-device-image [10] BOOLEAN (compressed),
//    info5 [11] SEQUENCE OF SEQUENCE { name UTF8String, info Info5 },
//    consoles [12] SEQUENCE OF UTF8String (names),
//    info [13] SEQUENCE OF SEQUENCE { name UTF8String, info Info } }
constexpr auto success = choice<Success>(
    alternative("empty", 0, null(success::Empty{})),
    alternative("string", 1, only(&success::Text::text, utf8String)),
    alternative("policies", 2,
                only(&success::PolicyList::policies, sequenceOf(named("policy", ref<policy>)))),
    alternative("block-devices", 4,
                only(&success::BlockDeviceList::blockDevices, sequenceOf(ref<blockDevice>))),
    alternative("unikernel-image", 6,
                sequence<success::UnikernelImage>(
                    required("compressed", &success::UnikernelImage::compressed, boolean),
                    required("image", &success::UnikernelImage::image, octetString))),
    alternative("old-block-device-image", 7,
                sequence<success::OldBlockDeviceImage>(
                    required("compressed", &success::OldBlockDeviceImage::compressed, boolean),
                    required("image", &success::OldBlockDeviceImage::image, octetString))),
    alternative("info4", 9, unikernels(Era::V25, ref<info4>)),
    alternative("block-device-image", 10, only(&success::BlockDeviceImage::compressed, boolean)),
    alternative("info5", 11, unikernels(Era::V26, ref<info5>)),
    alternative("consoles", 12, only(&success::Consoles::names, sequenceOf(name))),
    alternative("info", 13, unikernels(Era::Current, ref<info>)));

// -- Data ---------------------------------------------------------------------------------------------------

// Timeval ::= SEQUENCE { seconds Int64, microseconds INTEGER }
constexpr auto timeval = sequence<Timeval>(required("seconds", &Timeval::seconds, int64),
                                           required("microseconds", &Timeval::microseconds, integer));

// Rusage ::= SEQUENCE { utime Timeval, stime Timeval, maxrss, ixrss, idrss, isrss, minflt, majflt, nswap,
//              inblock, outblock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw : Int64 }
constexpr auto rusage = sequence<Rusage>(
    required("utime", &Rusage::utime, ref<timeval>), required("stime", &Rusage::stime, ref<timeval>),
    required("maxrss", &Rusage::maxrss, int64), required("ixrss", &Rusage::ixrss, int64),
    required("idrss", &Rusage::idrss, int64), required("isrss", &Rusage::isrss, int64),
    required("minflt", &Rusage::minflt, int64), required("majflt", &Rusage::majflt, int64),
    required("nswap", &Rusage::nswap, int64), required("inblock", &Rusage::inblock, int64),
    required("outblock", &Rusage::outblock, int64), required("msgsnd", &Rusage::msgsnd, int64),
    required("msgrcv", &Rusage::msgrcv, int64), required("nsignals", &Rusage::nsignals, int64),
    required("nvcsw", &Rusage::nvcsw, int64), required("nivcsw", &Rusage::nivcsw, int64));

// KinfoMem ::= SEQUENCE { vsize, rss, tsize, dsize, ssize, runtime : Int64, cow INTEGER, start Timeval }
constexpr auto kinfoMem = sequence<KinfoMem>(
    required("vsize", &KinfoMem::vsize, int64), required("rss", &KinfoMem::rss, int64),
    required("tsize", &KinfoMem::tsize, int64), required("dsize", &KinfoMem::dsize, int64),
    required("ssize", &KinfoMem::ssize, int64), required("runtime", &KinfoMem::runtime, int64),
    required("cow", &KinfoMem::cow, integer), required("start", &KinfoMem::start, ref<timeval>));

// IfData ::= SEQUENCE { bridge UTF8String, flags, send-length, max-send-length, send-drops, mtu : INTEGER,
//              baudrate, input-packets, input-errors, output-packets, output-errors, collisions, input-bytes,
//              output-bytes, input-mcast, output-mcast, input-dropped, output-dropped : Int64 }
constexpr auto ifData = sequence<IfData>(
    required("bridge", &IfData::bridge, utf8String), required("flags", &IfData::flags, integer),
    required("send-length", &IfData::sendLength, integer),
    required("max-send-length", &IfData::maxSendLength, integer),
    required("send-drops", &IfData::sendDrops, integer), required("mtu", &IfData::mtu, integer),
    required("baudrate", &IfData::baudrate, int64), required("input-packets", &IfData::inputPackets, int64),
    required("input-errors", &IfData::inputErrors, int64),
    required("output-packets", &IfData::outputPackets, int64),
    required("output-errors", &IfData::outputErrors, int64),
    required("collisions", &IfData::collisions, int64), required("input-bytes", &IfData::inputBytes, int64),
    required("output-bytes", &IfData::outputBytes, int64),
    required("input-mcast", &IfData::inputMcast, int64),
    required("output-mcast", &IfData::outputMcast, int64),
    required("input-dropped", &IfData::inputDropped, int64),
    required("output-dropped", &IfData::outputDropped, int64));

// SEQUENCE { key UTF8String, value Int64 }
using Counter = std::pair<std::string, std::int64_t>;
constexpr auto counter = sequence<Counter>(required("key", &Counter::first, utf8String),
                                           required("value", &Counter::second, int64));

// Data ::= CHOICE { statistics [1] SEQUENCE { resource-usage Rusage, ifdata SEQUENCE OF IfData,
//                     vmm [0] SEQUENCE OF SEQUENCE { key UTF8String, value Int64 } OPTIONAL,
//                     kinfo [1] IMPLICIT KinfoMem OPTIONAL },
//            console [3] SEQUENCE { timestamp GeneralizedTime, line UTF8String },
//            block [4] CHOICE { some [0] OCTET STRING, none [1] NULL } }
//                                                              -- [2] was the log: refused, as by the server
constexpr auto statistics =
    sequence<data::Statistics>(required("resource-usage", &data::Statistics::rusage, ref<rusage>),
                               required("ifdata", &data::Statistics::interfaces, sequenceOf(ref<ifData>)),
                               optional("vmm", &data::Statistics::vmm, tagged(0, sequenceOf(ref<counter>))),
                               optional("kinfo", &data::Statistics::kinfo, implicit(1, kinfoMem)));

constexpr auto consoleLine =
    sequence<data::Console>(required("timestamp", &data::Console::timestamp, generalizedTime),
                            required("line", &data::Console::line, utf8String));

constexpr auto blockData = choice<std::optional<std::string>>(
    alternative("some", 0, some<std::string>(octetString)), alternative("none", 1, none<std::string>));

constexpr auto data =
    choice<Data>(alternative("statistics", 1, ref<statistics>), alternative("console", 3, ref<consoleLine>),
                 alternative("block", 4, only(&data::Block::bytes, ref<blockData>)));

// -- Messages -----------------------------------------------------------------------------------------------

// Header ::= SEQUENCE { version INTEGER (5), sequence Int64, name UTF8String }
constexpr auto header = sequence<Header>(version, required("sequence", &Header::sequence, int64),
                                         required("name", &Header::name, name));

// Wire ::= SEQUENCE { header Header, payload CHOICE {
//            command [0] Command, reply [1] Success, failure [2] UTF8String, data [3] Data } }
constexpr auto payload = choice<Payload>(
    alternative("command", 0, ref<command>), alternative("reply", 1, ref<success>),
    alternative("failure", 2, only(&Failure::message, utf8String)), alternative("data", 3, ref<data>));

constexpr auto wire = sequence<Wire>(required("header", &Wire::header, ref<header>),
                                     required("payload", &Wire::payload, ref<payload>));

}  // namespace grammar

namespace {

template <class Codec, class T>
std::string encodeAs(const Codec& type, const T& value) {
  der::Writer out;
  type.write(out, value);
  return out.take();
}

template <class Codec>
Result<typename Codec::Value> decodeAs(const Codec& type, std::string_view der, std::string_view subject) {
  der::Reader in(der);
  typename Codec::Value value;
  if (!type.read(in, value) || !in.finish()) return std::unexpected(in.error(subject));
  return value;
}

}  // namespace

std::string_view releasesOf(Era era) {
  switch (era) {
    case Era::Current:
      return "2.7 or later";
    case Era::V26:
      return "2.6";
    case Era::V25:
      return "2.1 to 2.5";
  }
  check(false, "every Era has its releases");
  return {};
}

std::string encode(const Wire& message) { return encodeAs(grammar::wire, message); }

Result<Wire> decodeWire(std::string_view der) { return decodeAs(grammar::wire, der, "An Albatross message"); }

std::string encodeExtension(const Command& command) {
  return encodeAs(grammar::certExtension, grammar::CertExtension{command});
}

Result<Command> decodeExtension(std::string_view der) {
  auto extension = decodeAs(grammar::certExtension, der, "The Albatross extension of a certificate");
  if (!extension) return std::unexpected(std::move(extension.error()));
  return std::move(extension->command);
}

std::string frameHeader(std::size_t length) {
  // The server reads a signed number, and anything below 1 as the end.
  check(length <= std::numeric_limits<std::int32_t>::max(), "a frame is shorter than 2 GiB");
  std::string header;
  for (unsigned shift = 32; shift > 0; shift -= 8) header += static_cast<char>(length >> (shift - 8));
  return header;
}

}  // namespace rookery::albatross
