#pragma once

#include <map>
#include <string>
#include <vector>

#include "albatross/wire.h"
#include "raw_client.h"

namespace rookery::emulator {

/// One exchange that was recorded from a real server.
struct Step {
  std::string what;
  std::vector<RawCertificate> chain;  // outermost first, the leaf last
  std::string command;                // DER
  bool streams = false;
  std::string stream;
  std::vector<albatross::Wire> replies;  // of a dump, the first
  bool dumps = false;                    // a block device
  bool unanswered = false;               // the server kept the connection open
  bool subscription = false;  // to a console or to statistics: the replies go on until somebody closes
};

struct Scenario {
  std::string name;
  std::vector<Step> steps;
};

/// All of transcripts.json, in the order in which it was recorded, from one server. Images are made after
/// what the file says of those that were streamed.
std::vector<Scenario> loadTranscripts();

/// Compares replies with recorded ones but for what varies: start times, the times of lines and the figures
/// of statistics, the order of consoles, and digests, of which one is always the same other. Sequence numbers
/// are not compared.
class Comparison {
 public:
  /// Empty, or what differs.
  std::string differs(albatross::Wire recorded, albatross::Wire actual);

 private:
  void settle(albatross::Wire& recorded, albatross::Wire& actual);
  std::map<std::string, std::string> digests_;  // recorded, ours
};

}  // namespace rookery::emulator
