#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

/// Syntax of the strings in a spec that a schema cannot say, or not in words.
namespace rookery::api {

/// What is wrong, as the end of a sentence about the field; nothing: it is right.
using Complaint = std::optional<std::string>;

/// The name of an object: one that Kubernetes (RFC 1123 subdomain) and Albatross (label: at most 63 of
/// [A-Za-z0-9.-], not starting with '-', folded to lower case) both take. `longest`: 63, or 253 for what only
/// Kubernetes sees.
Complaint checkName(std::string_view text, std::size_t longest = 63);
/// A namespace: a name without dots (RFC 1123 label).
Complaint checkNamespace(std::string_view text);
/// The key of a label or annotation: [prefix/]name.
Complaint checkLabelKey(std::string_view text);
Complaint checkLabelValue(std::string_view text);
/// All that is wrong with the key or the value of a label, in the words in which Kubernetes' API server says
/// it to its clients; empty: nothing.
std::vector<std::string> labelKeyErrors(std::string_view key);
std::vector<std::string> labelValueErrors(std::string_view value);
/// A key in a Secret.
Complaint checkSecretKey(std::string_view text);
/// What arguments refer to as $(NAME); Kubernetes' rule for environment variables.
Complaint checkVariable(std::string_view text);
/// "host:port", "[v6]:port", "host", or "unix:///FOLDER".
Complaint checkEndpoint(std::string_view text);
/// The same with a port.
Complaint checkAddress(std::string_view text);
/// An IP address, or "v4:port" or "[v6]:port".
Complaint checkNameServer(std::string_view text);
/// The name of a domain as DNS has it: labels of 1 to 63 characters.
Complaint checkDomainName(std::string_view text);
/// Six octets in hex, unicast.
Complaint checkMac(std::string_view text);
/// "https://host[:port]/path?query", or http: without credentials, which everybody could read who reads the
/// manifest, and without a fragment. RFC 3986, in ASCII. A complaint does not repeat what may be a password.
Complaint checkUrl(std::string_view text);
/// Whether it can stand in a header (RFC 6750): printable ASCII without blanks; not empty.
bool isBearerToken(std::string_view text);
/// 64 hexadecimal digits.
Complaint checkSha256(std::string_view text);
/// No control characters.
Complaint checkPrintable(std::string_view text);

/// Decodes base64 (RFC 4648, section 4) as Kubernetes does: padded; line breaks are skipped. The error does
/// not repeat the text.
Result<std::string> decodeBase64(std::string_view text);
std::string encodeBase64(std::string_view bytes);

}  // namespace rookery::api
