# Compiler flags for every target of ours. Warnings are errors; vendor headers are system headers.
add_library(td_flags INTERFACE)
target_compile_options(td_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wnull-dereference -Werror
  # Members that a designated initializer leaves out have their defaults: that is what it is for.
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives of these two inside std::expected, std::optional and fmt.
  target_compile_options(td_flags INTERFACE -Wno-maybe-uninitialized -Wno-null-dereference
    -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # libstdc++ 12's own std::stable_sort calls what C++17 deprecated.
  target_compile_options(td_flags INTERFACE -Wno-deprecated-declarations)
endif()
if(TAPEDECK_SANITIZE)
  add_compile_options(-fsanitize=${TAPEDECK_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TAPEDECK_SANITIZE})
  if(TAPEDECK_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
if(TAPEDECK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # so that libFuzzer sees what its input reaches
endif()
