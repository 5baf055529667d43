#include "yaml/document_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text.h"

namespace rookery::yaml {

using nlohmann::json;

namespace {

constexpr std::size_t maxDuplicates = 100;

Refusal tooMuch(Place place, std::size_t most, std::string_view what) {
  return {place,
          fmt::format("the text holds more than {} {} once its aliases are followed, the most that one "
                      "of its size may; split it",
                      most, what)};
}

}  // namespace

Refusal tooManyValues(Place place, std::size_t most) { return tooMuch(place, most, "values"); }

Refusal tooDeep(Place place) {
  return {place, fmt::format("the value is nested more than {} levels deep", maxDepth)};
}

Place PlaceFinder::at(std::size_t offset) {
  offset = std::min(offset, text_.size());
  if (offset < offset_) *this = PlaceFinder(text_);
  while (true) {
    const std::size_t lineFeed = text_.substr(offset_, offset - offset_).find('\n');
    if (lineFeed == std::string_view::npos) break;
    offset_ = lineBegin_ = offset_ + lineFeed + 1;
    ++line_;
  }
  offset_ = offset;
  return {line_, offset - lineBegin_ + 1};
}

std::size_t DocumentBuilder::mostValues(std::size_t textBytes) {
  return std::min(maxNodes, looseValues + textBytes / bytesPerValue);
}

std::size_t DocumentBuilder::mostBytes(std::size_t textBytes) {
  return std::min(maxBytes, looseBytes + 4 * textBytes);
}

DocumentBuilder::DocumentBuilder(std::size_t textBytes, Keep keep)
    : mostNodes_(mostValues(textBytes)), mostBytes_(mostBytes(textBytes)), keep_(keep) {}

void DocumentBuilder::beginDocument() {
  anchors_.clear();
  current_ = {};
}

void DocumentBuilder::endDocument() {
  if (!current_.value.is_null() || !current_.duplicates.empty()) documents_.push_back(std::move(current_));
}

void DocumentBuilder::key(const std::string& name, Place place) {
  spend(0, name.size(), place);
  Frame& frame = frames_.back();
  frame.key = name;
  frame.keyPlace = place;
  frame.duplicate = frame.value.value.contains(name);
  if (!frame.duplicate || current_.duplicates.size() >= maxDuplicates) return;
  const auto first = frame.value.places.members.find(name);
  const std::string where = first == frame.value.places.members.end()
                                ? ""
                                : fmt::format(", first in line {}", first->second.key.line);
  current_.duplicates.push_back({place, path(), fmt::format("this key is given twice{}; remove one", where)});
}

void DocumentBuilder::scalar(json value, Place place, std::string_view written, const std::string& anchor) {
  // Nothing at all stands where its key does.
  if (value.is_null() && !frames_.empty())
    place = frames_.back().isMap ? frames_.back().keyPlace : frames_.back().value.places.value;
  spend(1, written.size(), place);
  Value finished{.value = std::move(value),
                 .places = {.key = place, .value = place, .text = {}, .members = {}, .items = {}},
                 .bytes = written.size()};
  if (!finished.value.is_string() && !finished.value.is_null()) finished.places.text = written;
  keepAnchored(anchor, finished);
  attach(std::move(finished));
}

void DocumentBuilder::open(json empty, Place place, std::string anchor) {
  if (expectsKey())
    throw Refusal{place, "a mapping or a list cannot be a key; or is its closing bracket missing?"};
  if (frames_.size() == maxDepth) throw tooDeep(place);
  spend(1, 0, place);
  frames_.push_back(
      {.isMap = empty.is_object(),
       .anchor = std::move(anchor),
       .value = {.value = std::move(empty),
                 .places = {.key = place, .value = place, .text = {}, .members = {}, .items = {}}},
       .key = {},
       .keyPlace = place});
}

void DocumentBuilder::close() {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  keepAnchored(frame.anchor, frame.value);
  attach(std::move(frame.value));
}

void DocumentBuilder::alias(const std::string& anchor, Place place) {
  if (expectsKey()) throw Refusal{place, "an alias cannot be a key; write the key out"};
  if (std::ranges::find(frames_, anchor, &Frame::anchor) != frames_.end())
    throw Refusal{place, "an alias cannot stand within what it refers to"};
  const auto anchored = anchors_.find(anchor);
  if (anchored == anchors_.end())
    throw Refusal{place, fmt::format("there is no anchor {} before this", quote("&" + anchor))};
  spend(anchored->second.nodes, anchored->second.bytes, place);
  Value copy = anchored->second;
  copy.places.key = copy.places.value = place;
  attach(std::move(copy));
}

void DocumentBuilder::spend(std::size_t nodes, std::size_t bytes, Place place) {
  nodes_ += nodes;
  bytes_ += bytes;
  if (nodes_ > mostNodes_) throw tooManyValues(place, mostNodes_);
  if (bytes_ > mostBytes_) throw tooMuch(place, mostBytes_, "bytes");
}

/// The path of the value that is being read.
std::string DocumentBuilder::path() const {
  std::string path;
  for (const Frame& frame : frames_) {
    path = frame.isMap ? memberPath(path, frame.key.value_or("")) : itemPath(path, frame.value.value.size());
  }
  return path;
}

void DocumentBuilder::keepAnchored(const std::string& anchor, const Value& value) {
  if (anchor.empty()) return;
  spend(value.nodes, value.bytes + anchor.size(), value.places.value);
  anchors_.insert_or_assign(anchor, value);
}

void DocumentBuilder::attach(Value value) {
  if (frames_.empty()) {
    current_.value = std::move(value.value);
    if (keep_ == Keep::Places) current_.places = std::move(value.places);
    return;
  }
  Frame& frame = frames_.back();
  frame.value.nodes += value.nodes;
  frame.value.bytes += value.bytes;
  if (!frame.isMap) {
    frame.value.value.push_back(std::move(value.value));
    if (keep_ == Keep::Places) frame.value.places.items.push_back(std::move(value.places));
    return;
  }
  const std::string key = std::exchange(frame.key, std::nullopt).value();
  if (frame.duplicate) return;
  frame.value.value[key] = std::move(value.value);
  if (keep_ != Keep::Places) return;
  value.places.key = frame.keyPlace;
  frame.value.places.members[key] = std::move(value.places);
}

}  // namespace rookery::yaml
