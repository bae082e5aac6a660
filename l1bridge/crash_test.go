package l1bridge_test

const crashDirEnv = "MOTET_TEST_CRASH_DIR"

func runCrashChild(string) {}
