#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "albatross/name.h"
#include "error.h"

/// The messages of Albatross' wire version 5 as C++ values, one struct or variant per production of its ASN.1
/// grammar. An OCTET STRING or UTF8String is a std::string of bytes: the server does not validate UTF-8, so
/// neither may be assumed to be text. INTEGERs are 63-bit signed, as the server's are.
namespace rookery::albatross {

inline constexpr std::int64_t wireVersion = 5;

/// Milliseconds since the epoch: what a GeneralizedTime of this protocol can hold.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
using Mac = std::array<std::uint8_t, 6>;

enum class UnikernelType { Solo5, Bhyve };

/// What the server does when the unikernel ends.
struct FailBehaviour {
  bool restart = false;
  std::set<std::int64_t> exitCodes;  // only with restart; empty: on any exit code
  friend bool operator==(const FailBehaviour&, const FailBehaviour&) = default;
};

struct Block {
  std::string name;                        // as the unikernel knows it
  std::optional<std::string> device;       // on the host; absent: the same name
  std::optional<std::int64_t> sectorSize;  // absent: 512
  friend bool operator==(const Block&, const Block&) = default;
};

struct Bridge {
  std::string netif;                  // as the unikernel knows it
  std::optional<std::string> bridge;  // on the host; absent: the same name
  std::optional<Mac> mac;             // absent: derived by the server
  friend bool operator==(const Bridge&, const Bridge&) = default;
};

/// Everything of a unikernel's configuration that a restart can change.
struct Arguments {
  FailBehaviour failBehaviour;
  std::optional<std::int64_t> startup;
  bool addName = true;
  std::set<std::int64_t> cpuIDs = {0};
  std::int64_t memory = 32;  // MB
  std::vector<Block> blocks;
  std::vector<Bridge> bridges;
  std::optional<std::vector<std::string>> arguments;
  std::int64_t numcpus = 1;
  std::optional<std::string> linuxBootPartition;
  friend bool operator==(const Arguments&, const Arguments&) = default;
};

struct Config {
  UnikernelType type = UnikernelType::Solo5;
  bool compressed = false;
  std::string image;  // empty: streamed after the handshake
  Arguments arguments;
  friend bool operator==(const Config&, const Config&) = default;
};

struct Policy {
  std::set<std::int64_t> cpuIDs;
  std::int64_t unikernels = 0;
  std::int64_t memory = 0;            // MB
  std::optional<std::int64_t> block;  // MB; absent: no block device is allowed
  std::set<std::string> bridges;
  friend bool operator==(const Policy&, const Policy&) = default;
};

/// One component of a domain path as it travels in a certificate chain. The server applies `policy` before
/// the command: it must be the one that is to hold there.
struct Domain {
  std::string label;
  Policy policy;
  friend bool operator==(const Domain&, const Domain&) = default;
};

/// The extension that carries a command or a policy in a certificate (Albatross' own arc).
inline constexpr const char* commandOid = "1.3.6.1.4.1.49836.42";

// -- Commands -----------------------------------------------------------------------------------------------

namespace console {
struct Add {
  std::int64_t count;
  friend bool operator==(const Add&, const Add&) = default;
};
struct Subscribe {
  std::variant<Time, std::int64_t> from;  // since a time, or the last lines
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};
struct ListInactive {
  friend bool operator==(const ListInactive&, const ListInactive&) = default;
};
}  // namespace console
using ConsoleCommand = std::variant<console::Add, console::Subscribe, console::ListInactive>;

namespace stats {
struct Add {
  std::string vmmDevice;
  std::int64_t pid;
  std::vector<std::pair<std::string, std::string>> networks;  // bridge, tap
  friend bool operator==(const Add&, const Add&) = default;
};
struct Remove {
  friend bool operator==(const Remove&, const Remove&) = default;
};
struct Subscribe {
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};
struct Initial {
  friend bool operator==(const Initial&, const Initial&) = default;
};
}  // namespace stats
using StatsCommand = std::variant<stats::Add, stats::Remove, stats::Subscribe, stats::Initial>;

/// Which of the server's generations a form belongs to: the current one, the 2.6-era (v4/info5) or
/// the 2.5-era (v3/info4) one. Never send an old `info` to a current server: it crashes one that runs a
/// unikernel with other than one CPU id.
enum class Era { Current, V26, V25 };

/// Which releases of Albatross are of an era: "2.7 or later". A server does not tell its own.
std::string_view releasesOf(Era era);

namespace unikernel {
struct Info {
  Era era = Era::Current;
  friend bool operator==(const Info&, const Info&) = default;
};
struct Create {
  Config config;
  Era era = Era::Current;  // the form; the older ones have exactly one CPU id, and no numcpus, and V25
                           // neither startup nor addName
  friend bool operator==(const Create&, const Create&) = default;
};
struct ForceCreate {
  Config config;
  Era era = Era::Current;
  friend bool operator==(const ForceCreate&, const ForceCreate&) = default;
};
struct Restart {
  std::optional<Arguments> arguments;  // absent: as it ran
  Era era = Era::Current;              // as of Create
  friend bool operator==(const Restart&, const Restart&) = default;
};
struct Destroy {
  friend bool operator==(const Destroy&, const Destroy&) = default;
};
struct Get {
  std::int64_t compressionLevel;
  friend bool operator==(const Get&, const Get&) = default;
};
}  // namespace unikernel
using UnikernelCommand = std::variant<unikernel::Info, unikernel::Create, unikernel::ForceCreate,
                                      unikernel::Restart, unikernel::Destroy, unikernel::Get>;

namespace policy {
struct Info {
  friend bool operator==(const Info&, const Info&) = default;
};
struct Add {
  Policy policy;
  friend bool operator==(const Add&, const Add&) = default;
};
struct Remove {
  friend bool operator==(const Remove&, const Remove&) = default;
};
}  // namespace policy
using PolicyCommand = std::variant<policy::Info, policy::Add, policy::Remove>;

namespace block {
struct Info {
  friend bool operator==(const Info&, const Info&) = default;
};
struct Add {
  std::int64_t size;
  friend bool operator==(const Add&, const Add&) = default;
};  // MB
struct Remove {
  friend bool operator==(const Remove&, const Remove&) = default;
};
struct Dump {
  std::int64_t compressionLevel;
  friend bool operator==(const Dump&, const Dump&) = default;
};
struct Set {
  bool compressed;
  friend bool operator==(const Set&, const Set&) = default;
};
struct OldAdd {
  std::int64_t size;
  bool compressed;
  std::optional<std::string> data;
  friend bool operator==(const OldAdd&, const OldAdd&) = default;
};
struct OldSet {
  bool compressed;
  std::string data;
  friend bool operator==(const OldSet&, const OldSet&) = default;
};
struct OldDump {
  std::int64_t compressionLevel;
  friend bool operator==(const OldDump&, const OldDump&) = default;
};
}  // namespace block
using BlockCommand = std::variant<block::Info, block::Add, block::Remove, block::Dump, block::Set,
                                  block::OldAdd, block::OldSet, block::OldDump>;

using Command = std::variant<ConsoleCommand, StatsCommand, UnikernelCommand, PolicyCommand, BlockCommand>;

// -- Replies ------------------------------------------------------------------------------------------------

struct BlockInfo {
  std::string unikernelDevice;
  std::string hostDevice;
  std::int64_t sectorSize = 512;
  std::int64_t size = 0;  // MB
  friend bool operator==(const BlockInfo&, const BlockInfo&) = default;
};

struct BridgeInfo {
  std::string unikernelDevice;
  std::string hostDevice;
  Mac mac{};
  friend bool operator==(const BridgeInfo&, const BridgeInfo&) = default;
};

/// One running unikernel. Everything of its configuration but addName, compression and the image's bytes.
struct UnikernelInfo {
  UnikernelType type = UnikernelType::Solo5;
  std::optional<std::int64_t> startup;
  FailBehaviour failBehaviour;
  std::set<std::int64_t> cpuIDs;
  std::int64_t memory = 0;  // MB
  std::string digest;       // raw bytes: SHA-256 of the uncompressed image, for Solo5
  std::vector<BlockInfo> blocks;
  std::vector<BridgeInfo> bridges;
  std::optional<std::vector<std::string>> arguments;
  std::optional<Time> started;
  std::int64_t numcpus = 1;
  std::optional<std::string> linuxBootPartition;
  friend bool operator==(const UnikernelInfo&, const UnikernelInfo&) = default;
};

struct BlockDevice {
  std::int64_t size = 0;  // MB
  bool active = false;    // used by a running unikernel
  friend bool operator==(const BlockDevice&, const BlockDevice&) = default;
};

/// In list replies names are relative to the domain that was asked; see Name::resolve.
using Unikernels = std::vector<std::pair<Name, UnikernelInfo>>;
using Policies = std::vector<std::pair<Name, Policy>>;
using BlockDevices = std::vector<std::pair<Name, BlockDevice>>;

namespace success {
struct Empty {
  friend bool operator==(const Empty&, const Empty&) = default;
};
struct Text {
  std::string text;
  friend bool operator==(const Text&, const Text&) = default;
};
struct PolicyList {
  Policies policies;
  friend bool operator==(const PolicyList&, const PolicyList&) = default;
};
struct BlockDeviceList {
  BlockDevices blockDevices;
  friend bool operator==(const BlockDeviceList&, const BlockDeviceList&) = default;
};
struct UnikernelImage {
  bool compressed;
  std::string image;
  friend bool operator==(const UnikernelImage&, const UnikernelImage&) = default;
};
struct OldBlockDeviceImage {
  bool compressed;
  std::string image;
  friend bool operator==(const OldBlockDeviceImage&, const OldBlockDeviceImage&) = default;
};
struct BlockDeviceImage {
  bool compressed;
  friend bool operator==(const BlockDeviceImage&, const BlockDeviceImage&) = default;
};
struct Consoles {
  std::vector<Name> names;
  friend bool operator==(const Consoles&, const Consoles&) = default;
};
/// Running unikernels in the form of `era`. The older forms hold exactly one CPU id each: encoding another
/// number of them is a broken invariant (it crashes the server, too).
struct UnikernelList {
  Unikernels unikernels;
  Era era = Era::Current;
  friend bool operator==(const UnikernelList&, const UnikernelList&) = default;
};
}  // namespace success
using Success = std::variant<success::Empty, success::Text, success::PolicyList, success::BlockDeviceList,
                             success::UnikernelImage, success::OldBlockDeviceImage, success::BlockDeviceImage,
                             success::Consoles, success::UnikernelList>;

struct Failure {
  std::string message;
  friend bool operator==(const Failure&, const Failure&) = default;
};

struct Timeval {
  std::int64_t seconds = 0;
  std::int64_t microseconds = 0;
  friend bool operator==(const Timeval&, const Timeval&) = default;
};

struct Rusage {
  Timeval utime, stime;
  std::int64_t maxrss = 0, ixrss = 0, idrss = 0, isrss = 0, minflt = 0, majflt = 0, nswap = 0, inblock = 0,
               outblock = 0, msgsnd = 0, msgrcv = 0, nsignals = 0, nvcsw = 0, nivcsw = 0;
  friend bool operator==(const Rusage&, const Rusage&) = default;
};

struct KinfoMem {
  std::int64_t vsize = 0, rss = 0, tsize = 0, dsize = 0, ssize = 0, runtime = 0;
  std::int64_t cow = 0;
  Timeval start;
  friend bool operator==(const KinfoMem&, const KinfoMem&) = default;
};

struct IfData {
  std::string bridge;
  std::int64_t flags = 0, sendLength = 0, maxSendLength = 0, sendDrops = 0, mtu = 0;
  std::int64_t baudrate = 0, inputPackets = 0, inputErrors = 0, outputPackets = 0, outputErrors = 0,
               collisions = 0, inputBytes = 0, outputBytes = 0, inputMcast = 0, outputMcast = 0,
               inputDropped = 0, outputDropped = 0;
  friend bool operator==(const IfData&, const IfData&) = default;
};

namespace data {
struct Statistics {
  Rusage rusage;
  std::vector<IfData> interfaces;
  std::optional<std::vector<std::pair<std::string, std::int64_t>>> vmm;
  std::optional<KinfoMem> kinfo;
  friend bool operator==(const Statistics&, const Statistics&) = default;
};
struct Console {
  Time timestamp;
  std::string line;
  friend bool operator==(const Console&, const Console&) = default;
};
struct Block {
  std::optional<std::string> bytes;  // absent: the end of the content
  friend bool operator==(const Block&, const Block&) = default;
};
}  // namespace data
using Data = std::variant<data::Statistics, data::Console, data::Block>;

// -- Messages -----------------------------------------------------------------------------------------------

struct Header {
  std::int64_t sequence = 0;  // of no use to a client: a reply's is not the request's
  Name name;
  friend bool operator==(const Header&, const Header&) = default;
};

using Payload = std::variant<Command, Success, Failure, Data>;

struct Wire {
  Header header;
  Payload payload;
  friend bool operator==(const Wire&, const Wire&) = default;
};

/// DER of a message. Sets are sorted as DER wants them. Info, Create, ForceCreate and Restart are written in
/// the form of their era.
std::string encode(const Wire& message);

/// Decodes one whole message, in the form of any era. Memory is bounded by a multiple of the input's size.
/// Error (ProtocolError): what is wrong, at which byte and field ("payload.command.unikernel.create.memory");
/// it shows no value but numbers and names.
Result<Wire> decodeWire(std::string_view der);

/// DER of the certificate extension that carries a command (CertExtension), and back, as encode() and
/// decodeWire().
std::string encodeExtension(const Command& command);
Result<Command> decodeExtension(std::string_view der);

/// What goes before the bytes of a frame of the transport: their number in 4 bytes, big-endian; it must be
/// below 2^31. An empty frame ends a stream.
std::string frameHeader(std::size_t length);

/// The MAC that a server gives an interface without one: 00:80:41, then the first 3 bytes of
/// MD5(netif ‖ the unikernel's name on the wire).
Mac derivedMac(std::string_view netif, const Name& unikernel);
std::string toString(const Mac& mac);         // "02:00:00:00:00:01"
Result<Mac> parseMac(std::string_view text);  // the same, any case; Error InvalidManifest

}  // namespace rookery::albatross
