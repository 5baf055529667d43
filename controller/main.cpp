#include <malloc.h>

#include "cli/cli.h"

int main(int argc, char** argv) {
  // By default glibc keeps an arena per thread, and what one thread frees is lost to the others: with many
  // objects that takes several times what is in use. With fewer, threads wait for each other.
  ::mallopt(M_ARENA_MAX, 4);
  return rookery::cli::run(argc, argv);
}
