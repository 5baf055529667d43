#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "albatross/der.h"

/// ASN.1's type notation as C++ values, so that a production is written once and serves both ways:
///
///     // Block ::= SEQUENCE { name UTF8String, device UTF8String OPTIONAL }
///     constexpr auto block = sequence<Block>(required("name", &Block::name, utf8String),
///                                            optional("device", &Block::device, utf8String));
///
/// Such a value is a *codec*: read() takes a C++ value off a Reader and returns whether it could, write()
/// appends one to a Writer; `tag` is how its encoding begins (a CHOICE has none). A codec may say with
/// matches() which values are its own, for a CHOICE to tell alternatives apart. Values that are read into
/// must be freshly constructed: an absent field keeps its default. Depth is bounded by the grammar, which
/// does not recurse; memory by the input.
namespace rookery::albatross::grammar {

using der::Reader;
using der::Tag;
using der::Writer;

// -- Primitive types ----------------------------------------------------------------------------------------

struct Boolean {
  using Value = bool;
  static constexpr Tag tag = Tag::Boolean;
  static bool read(Reader& in, bool& value) { return in.boolean(value); }
  static void write(Writer& out, bool value) { out.boolean(value); }
};
inline constexpr Boolean boolean;

struct Integer {
  using Value = std::int64_t;
  static constexpr Tag tag = Tag::Integer;
  static bool read(Reader& in, std::int64_t& value) { return in.integer(value); }
  static void write(Writer& out, std::int64_t value) { out.integer(value); }
};
inline constexpr Integer integer;

template <Tag Type>
struct Bytes {
  using Value = std::string;
  static constexpr Tag tag = Type;
  static bool read(Reader& in, std::string& value) { return in.bytes(tag, value); }
  static void write(Writer& out, std::string_view value) { out.bytes(tag, value); }
};
inline constexpr Bytes<Tag::OctetString> octetString;
inline constexpr Bytes<Tag::Utf8String> utf8String;

struct GeneralizedTime {
  using Value = der::Time;
  static constexpr Tag tag = Tag::GeneralizedTime;
  static bool read(Reader& in, der::Time& value) { return in.time(value); }
  static void write(Writer& out, der::Time value) { out.time(value); }
};
inline constexpr GeneralizedTime generalizedTime;

// -- Fields of a SEQUENCE -----------------------------------------------------------------------------------

/// Keeps codecs of different types together; calling it with a function calls that with all of them. (A
/// std::tuple would do, with several times the object code.)
template <class... Parts>
constexpr auto pack(Parts... parts) {
  return [parts...](auto&& function) { return function(parts...); };
}
template <class... Parts>
using Pack = decltype(pack(std::declval<Parts>()...));

template <class Owner, class Member, class Codec>
struct Required {
  std::string_view name;
  Member Owner::* member;
  Codec codec;

  bool read(Reader& in, Owner& owner) const {
    return in.field(name, [&] { return codec.read(in, owner.*member); });
  }
  void write(Writer& out, const Owner& owner) const { codec.write(out, owner.*member); }
};

/// A field that must be there.
template <class Owner, class Member, class Codec>
constexpr Required<Owner, Member, Codec> required(std::string_view name, Member Owner::* member,
                                                  Codec codec) {
  return {name, member, codec};
}

template <class Owner, class Member, class Codec>
struct Optional {
  std::string_view name;
  Member Owner::* member;
  Codec codec;

  bool read(Reader& in, Owner& owner) const {
    if (!in.next(codec.tag)) return true;
    return in.field(name, [&] { return codec.read(in, place(owner.*member)); });
  }
  void write(Writer& out, const Owner& owner) const { writePresent(out, owner.*member); }

 private:
  template <class T>
  static T& place(std::optional<T>& value) {
    return value.emplace();
  }
  template <class Container>
  static Container& place(Container& value) {
    return value;
  }
  template <class T>
  void writePresent(Writer& out, const std::optional<T>& value) const {
    if (value) codec.write(out, *value);
  }
  template <class Container>
  void writePresent(Writer& out, const Container& value) const {
    if (!value.empty()) codec.write(out, value);
  }
};

/// A field that may be absent: a std::optional, or a container for which absent and empty are the same.
template <class Owner, class Member, class Codec>
constexpr Optional<Owner, Member, Codec> optional(std::string_view name, Member Owner::* member,
                                                  Codec codec) {
  return {name, member, codec};
}

template <class Owner, class Member, class Codec>
struct Defaulted {
  std::string_view name;
  Member Owner::* member;
  Codec codec;

  bool read(Reader& in, Owner& owner) const {
    if (!in.next(codec.tag)) return true;
    return in.field(name, [&] { return codec.read(in, owner.*member); });
  }
  void write(Writer& out, const Owner& owner) const { codec.write(out, owner.*member); }
};

/// A field that is always written and may be absent when read: the member keeps its default then.
template <class Owner, class Member, class Codec>
constexpr Defaulted<Owner, Member, Codec> defaulted(std::string_view name, Member Owner::* member,
                                                    Codec codec) {
  return {name, member, codec};
}

template <class Owner, class Member, class... Fields>
struct Inside {
  Member Owner::* member;
  Pack<Fields...> fields;

  bool read(Reader& in, Owner& owner) const {
    return fields([&](const auto&... field) { return (field.read(in, owner.*member) && ...); });
  }
  void write(Writer& out, const Owner& owner) const {
    fields([&](const auto&... field) { (field.write(out, owner.*member), ...); });
  }
};

/// Fields that C++ keeps in a member of their own and the SEQUENCE does not.
template <class Owner, class Member, class... Fields>
constexpr Inside<Owner, Member, Fields...> inside(Member Owner::* member, Fields... fields) {
  return {member, pack(fields...)};
}

// -- Constructed types --------------------------------------------------------------------------------------

template <class T, class... Fields>
struct Sequence {
  using Value = T;
  Pack<Fields...> fields;
  Tag tag = Tag::Sequence;

  bool read(Reader& in, T& value) const {
    return in.constructed(
        tag, [&] { return fields([&](const auto&... field) { return (field.read(in, value) && ...); }); });
  }
  void write(Writer& out, const T& value) const {
    out.constructed(tag, [&] { fields([&](const auto&... field) { (field.write(out, value), ...); }); });
  }
};

/// SEQUENCE { … }, as a T.
template <class T, class... Fields>
constexpr Sequence<T, Fields...> sequence(Fields... fields) {
  return {pack(fields...)};
}

/// [number] IMPLICIT SEQUENCE { … }: the tag replaces the SEQUENCE's.
template <class T, class... Fields>
constexpr Sequence<T, Fields...> implicit(unsigned number, Sequence<T, Fields...> type) {
  return {type.fields, der::context(number)};
}

template <class Codec>
struct ListOf {
  Codec codec;
  Tag tag;

  template <class Container>
  bool read(Reader& in, Container& list) const {
    list.clear();
    return in.constructed(tag, [&] {
      for (std::size_t index = 0; !in.atEnd(); ++index) {
        typename Container::value_type element{};
        if (!in.item(index, [&] { return codec.read(in, element); })) return false;
        list.insert(list.end(), std::move(element));
      }
      return true;
    });
  }

  template <class Container>
  void write(Writer& out, const Container& list) const {
    out.constructed(tag, [&] {
      if (tag == Tag::Set) return writeSorted(out, list);
      for (const auto& element : list) codec.write(out, element);
    });
  }

 private:
  /// DER orders the elements of a SET OF by their encodings (X.690, 11.6).
  template <class Container>
  void writeSorted(Writer& out, const Container& list) const {
    std::vector<std::string> elements;
    elements.reserve(list.size());
    for (const auto& element : list) {
      Writer one;
      codec.write(one, element);
      elements.push_back(one.take());
    }
    std::ranges::sort(elements);
    for (const auto& element : elements) out.element(element);
  }
};

/// SEQUENCE OF and SET OF, as a std::vector or std::set. A set's order is lost; unsorted and repeated
/// elements are read.
template <class Codec>
constexpr ListOf<Codec> sequenceOf(Codec codec) {
  return {codec, Tag::Sequence};
}
template <class Codec>
constexpr ListOf<Codec> setOf(Codec codec) {
  return {codec, Tag::Set};
}

template <class Codec>
struct Tagged {
  Codec codec;
  Tag tag;

  template <class T>
  bool read(Reader& in, T& value) const {
    return in.constructed(tag, [&] { return codec.read(in, value); });
  }
  template <class T>
  void write(Writer& out, const T& value) const {
    out.constructed(tag, [&] { codec.write(out, value); });
  }
};

/// [number] EXPLICIT.
template <class Codec>
constexpr Tagged<Codec> tagged(unsigned number, Codec codec) {
  return {codec, der::context(number)};
}

template <const auto& production>
struct Ref {
  using Value = typename std::remove_cvref_t<decltype(production)>::Value;

  static bool read(Reader& in, Value& value) { return production.read(in, value); }
  static void write(Writer& out, const Value& value) { production.write(out, value); }
};

/// A production by its name, as other productions refer to it. It could stand there itself: this keeps the
/// types of codecs, and with them compile times and symbols, from growing with everything below.
template <const auto& production>
inline constexpr Ref<production> ref;

// -- CHOICE -------------------------------------------------------------------------------------------------

template <class Codec>
struct Alternative {
  std::string_view name;
  Tagged<Codec> type;
  bool legacy;

  using Value = typename Codec::Value;

  template <class Choice>
  bool read(Reader& in, Choice& choice) const {
    return in.field(name, [&] { return type.read(in, place(choice)); });
  }

  /// Whether this is the alternative that `choice` is to be written as.
  template <class Choice>
  bool matches(const Choice& choice) const {
    const Value* value = find(choice);
    if (legacy || value == nullptr) return false;
    if constexpr (requires { type.codec.matches(*value); }) return type.codec.matches(*value);
    return true;
  }
  template <class Choice>
  void write(Writer& out, const Choice& choice) const {
    type.write(out, *find(choice));
  }

 private:
  template <class Choice>
  static Value& place(Choice& choice) {
    if constexpr (std::same_as<Choice, Value>) {
      return choice;
    } else {
      return choice.template emplace<Value>();
    }
  }
  template <class Choice>
  static const Value* find(const Choice& choice) {
    if constexpr (std::same_as<Choice, Value>) {
      return &choice;
    } else {
      return std::get_if<Value>(&choice);
    }
  }
};

template <class T, class... Alternatives>
struct Choice {
  using Value = T;
  Pack<Alternatives...> alternatives;

  bool read(Reader& in, T& value) const {
    bool succeeded = false;
    const bool known = alternatives([&](const auto&... alternative) {
      return ((in.next(alternative.type.tag) && (succeeded = alternative.read(in, value), true)) || ...);
    });
    return known ? succeeded : in.unexpected("one of " + expected());
  }
  void write(Writer& out, const T& value) const {
    const bool written = alternatives([&](const auto&... alternative) {
      return ((alternative.matches(value) && (alternative.write(out, value), true)) || ...);
    });
    check(written, "every value of a CHOICE has an alternative");
  }

 private:
  std::string expected() const {
    std::string list;
    const auto add = [&list](std::string_view name, Tag tag) {
      list += (list.empty() ? "" : ", ") + std::string(name) + " " + der::toString(tag);
    };
    alternatives([&](const auto&... alternative) { (add(alternative.name, alternative.type.tag), ...); });
    return list;
  }
};

/// CHOICE { … }, as a T: a std::variant of the alternatives' types, or one type whose alternatives tell by
/// matches() which values are theirs.
template <class T, class... Alternatives>
constexpr Choice<T, Alternatives...> choice(Alternatives... alternatives) {
  return {pack(alternatives...)};
}

template <class Owner, class Member, class Codec>
struct Only {
  using Value = Owner;
  Member Owner::* member;
  Codec codec;

  bool read(Reader& in, Owner& owner) const { return codec.read(in, owner.*member); }
  void write(Writer& out, const Owner& owner) const { codec.write(out, owner.*member); }
};

/// A type whose C++ value is a struct with this one member.
template <class Owner, class Member, class Codec>
constexpr Only<Owner, Member, Codec> only(Member Owner::* member, Codec codec) {
  return {member, codec};
}

/// An alternative `name [number] type`.
template <class Codec>
constexpr Alternative<Codec> alternative(std::string_view name, unsigned number, Codec codec) {
  return {name, tagged(number, codec), false};
}

/// An alternative of an older generation that is read and never written.
template <class Codec>
constexpr Alternative<Codec> legacy(std::string_view name, unsigned number, Codec codec) {
  return {name, tagged(number, codec), true};
}

template <class T>
struct Null {
  using Value = T;
  T constant;

  bool read(Reader& in, T& value) const {
    value = constant;
    return in.null();
  }
  void write(Writer& out, const T&) const { out.null(); }
  bool matches(const T& value) const { return value == constant; }
};

/// NULL, standing for one value.
template <class T>
constexpr Null<T> null(T constant) {
  return {constant};
}

struct Nothing {
  template <class T>
  static bool read(Reader& in, T&) {
    return in.null();
  }
  template <class T>
  static void write(Writer& out, const T&) {
    out.null();
  }
};

/// NULL, saying nothing about the value.
inline constexpr Nothing nothing;

template <class Owner, class Member, class Codec>
struct When {
  using Value = Owner;
  Member Owner::* member;
  Member constant;
  Codec codec;

  bool read(Reader& in, Owner& owner) const {
    owner.*member = constant;
    return codec.read(in, owner);
  }
  void write(Writer& out, const Owner& owner) const { codec.write(out, owner); }
  bool matches(const Owner& owner) const { return owner.*member == constant; }
};

/// The form of a struct for one value of one of its members.
template <class Owner, class Member, class Codec>
constexpr When<Owner, Member, Codec> when(Member Owner::* member, Member constant, Codec codec) {
  return {member, constant, codec};
}

template <class T>
struct None {
  using Value = std::optional<T>;

  static bool read(Reader& in, Value& value) {
    value.reset();
    return in.null();
  }
  static void write(Writer& out, const Value&) { out.null(); }
  static bool matches(const Value& value) { return !value.has_value(); }
};

template <class T, class Codec>
struct Some {
  using Value = std::optional<T>;
  Codec codec;

  bool read(Reader& in, Value& value) const { return codec.read(in, value.emplace()); }
  void write(Writer& out, const Value& value) const { codec.write(out, *value); }
  static bool matches(const Value& value) { return value.has_value(); }
};

/// The two alternatives of an absent and a present value.
template <class T>
inline constexpr None<T> none;
template <class T, class Codec>
constexpr Some<T, Codec> some(Codec codec) {
  return {codec};
}

}  // namespace rookery::albatross::grammar
