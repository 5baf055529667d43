#pragma once

#include <map>
#include <set>
#include <string>

namespace rookery::kubernetes {

/// Who holds what, as all replicas see it.
struct Shards {
  std::set<std::string> members;               // the replicas that live
  std::map<std::string, std::string> holders;  // by instance; "": nobody who lives
};

/// What one replica has to change.
struct ShardMoves {
  std::set<std::string> acquire;  // instances that nobody holds
  std::set<std::string> release;  // instances of its own, for others to take
};

/// Shares the instances evenly, and moves as few as that takes: each replica may hold ⌊n/m⌋, and the n mod m
/// that hold most (then by name) one more. All replicas that see the same come to moves that fit together.
ShardMoves balance(const Shards& shards, const std::string& self);

}  // namespace rookery::kubernetes
