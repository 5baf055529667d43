#include "serve/page.h"

#include <fmt/format.h>

#include <iterator>

#include "api/schema.h"

namespace rookery::serve {
namespace {

constexpr std::string_view head = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rookery</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
td { overflow-wrap: anywhere; }
.True { color: #1a7f37; font-weight: 600; }
.False { color: #cf222e; font-weight: 600; }
.Unknown { color: #9a6700; font-weight: 600; }
</style>
</head>
<body>
<h1>Rookery</h1>
)";

std::string escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string_view word(api::Condition::Status status) {
  switch (status) {
    case api::Condition::Status::True:
      return "True";
    case api::Condition::Status::False:
      return "False";
    case api::Condition::Status::Unknown:
      break;
  }
  return "Unknown";
}

/// Where the object lives: a server's address, a policy's instance, or the one that a unikernel was placed
/// on.
std::string place(const reconcile::ObjectView& view) {
  const api::Object& object = *view.object;
  if (object.kind() == api::Kind::AlbatrossInstance) return object.as<api::AlbatrossInstance>().endpoint;
  if (object.kind() == api::Kind::UnikernelPolicy)
    return object.as<api::UnikernelPolicy>().instance.value_or("");
  return view.status.instance.value_or("");
}

void addRow(std::string& html, const reconcile::ObjectView& view, bool namespaced) {
  const api::Condition* ready = view.status.condition(api::Condition::Type::Ready);
  const std::string_view status = word(ready != nullptr ? ready->status : api::Condition::Status::Unknown);
  const api::Metadata& metadata = view.object->metadata;
  html += "<tr>";
  if (namespaced) html += fmt::format("<td>{}</td>", escape(metadata.nameSpace));
  fmt::format_to(
      std::back_inserter(html), "<td>{}</td><td>{}</td><td class=\"{}\">{}</td><td>{}</td><td>{}</td></tr>\n",
      escape(metadata.name), escape(place(view)), status, status,
      ready != nullptr ? toString(ready->reason) : "", ready != nullptr ? escape(ready->message) : "");
}

void addTable(std::string& html, const api::Definition& definition,
              const std::vector<reconcile::ObjectViewPtr>& views) {
  const std::string_view kind = api::toString(definition.kind);
  if (views.empty()) {
    fmt::format_to(std::back_inserter(html), "<h2>{}</h2>\n<p>None declared.</p>\n", kind);
    return;
  }
  fmt::format_to(std::back_inserter(html),
                 "<h2>{} ({})</h2>\n<table>\n<tr>{}<th>Name</th><th>{}</th><th>Ready</th><th>Reason</th>"
                 "<th>Message</th></tr>\n",
                 kind, views.size(), definition.namespaced ? "<th>Namespace</th>" : "",
                 definition.kind == api::Kind::AlbatrossInstance ? "Endpoint" : "Instance");
  for (const reconcile::ObjectViewPtr& view : views) addRow(html, *view, definition.namespaced);
  html += "</table>\n";
}

}  // namespace

std::string signInPage(std::string_view refusal) {
  return fmt::format(
      "{}<p>This page shows how everything stands to those who may list it all. The answer was: {}</p>\n"
      "<p>A browser shows who it is by a client certificate: import one that <code>--tls-client-ca</code> "
      "has "
      "signed and that <code>--api-token-file</code> grants <code>list</code> on everything, and load this "
      "page "
      "again.</p>\n<p>With a bearer token, ask from a shell:</p>\n"
      "<pre>rookery get all -A --server https://… --token-file FILE --certificate-authority FILE</pre>\n"
      "</body>\n</html>\n",
      head, escape(refusal));
}

std::string statusPage(const reconcile::ObjectStore& store) {
  std::string html(head);
  html.insert(html.find("<title>"), "<meta http-equiv=\"refresh\" content=\"5\">\n");
  if (!store.ready()) html += "<p>Not every instance has been observed yet.</p>\n";
  for (const api::Kind kind : api::customKinds()) {
    addTable(html, api::definitionOf(kind), store.list(kind, std::nullopt).views);
  }
  html += "</body>\n</html>\n";
  return html;
}

}  // namespace rookery::serve
