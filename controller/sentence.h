#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

/// Sentences that come from several places, put together for people. Whether one of them brings its full stop
/// does not matter here, so that nobody has to know.
namespace rookery {

/// `text` as a sentence: without blanks around it, and with one full stop where it has none or two. What ends
/// as a sentence may (with "!", "?", "…", ":", or one of these within quotation marks or brackets) stays as
/// it is, and so does what is empty.
std::string sentence(std::string_view text);

/// Each of them as a sentence(), one after another; those that are empty are passed over.
std::string sentences(std::initializer_list<std::string_view> texts);

/// `text`, for what goes on behind it with punctuation of its own: without the full stop at its end.
std::string withoutFullStop(std::string_view text);

}  // namespace rookery
