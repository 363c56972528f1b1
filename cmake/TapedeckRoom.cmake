# td_room(<name> SOURCES ... TESTS ... DEPENDS ...): one static library a room, td_<name>, and its
# unit tests as one program, td_<name>_test. DEPENDS takes rooms by name and libraries by target.
function(td_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(td_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(td_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(td_${name} PUBLIC ${ROOM_DEPENDS} PRIVATE td_flags ${ROOM_PRIVATE_DEPENDS})
  set_target_properties(td_${name} PROPERTIES LINKER_LANGUAGE CXX)
  if(TAPEDECK_TESTS AND ROOM_TESTS)
    add_executable(td_${name}_test ${ROOM_TESTS})
    target_link_libraries(td_${name}_test PRIVATE td_${name} td_flags ${ROOM_PRIVATE_DEPENDS}
      GTest::gmock GTest::gtest_main)
    target_compile_definitions(td_${name}_test PRIVATE
      TD_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
    gtest_discover_tests(td_${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 1200)
  endif()
endfunction()
