#pragma once

namespace rookery::simulation {

/// What goes wrong with one call.
struct CallFault {
  enum class Kind {
    None,
    StallConnecting,  // the handshake never comes to its end
    Cut,              // the connection breaks after so many frames of an image, or before the command
    StallStream,      // no more frames are taken after so many, nor the command
    LoseCommand,      // the connection breaks when all has been sent, before it has arrived
    LoseReply,        // the same when it was carried out
    StallReply,       // it is carried out, and no answer ever comes
    Stale,            // the answer is the one that was given to the same question before
  };
  static constexpr int kinds = 8;
  Kind kind = Kind::None;
  int frames = 0;
};

}  // namespace rookery::simulation
