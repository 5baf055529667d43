#pragma once

#include <string>
#include <vector>

// What tests/lint/run wants to be found; faulty.cpp has more.
namespace rookery {

inline int Named_wrongly(const int* value) { return value == 0 ? 1 : 2; }

class Thing {
 public:
  Thing(int value) : value(value) {}
  virtual int get() { return value; }

 private:
  int value;
};

template <class T>
int sizeOf(std::vector<T> all) {
  int size = all.size();
  return size;
}

}  // namespace rookery
