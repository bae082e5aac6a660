package conformance

import "strings"

// exception says why go-ethereum decides a test otherwise than its file; empty
// if it is not known to. Whether it is right to is argued in the reason; that
// the executors do the same is tested.
func exception(test string) string {
	const (
		eof     = "needs the EVM Object Format (EIP-7692), which was withdrawn from Prague"
		storage = "creates over an account with storage but neither code nor nonce (EIP-7610), which nothing can make since Spurious Dragon; go-ethereum does not look for it"
		choice  = "turns on total difficulty, which go-ethereum no longer keeps; its blocks are executed all the same"
		marker  = "holds to a draft of EIP-7702, where EXTCODE* of a delegated account saw 0xef01 and not the designator"
		floor   = "holds to a draft of EIP-7623, where the floor was compared before refunds and not after"
	)
	for _, known := range []struct{ part, reason string }{
		{"fork_PragueEIP7692", eof},
		{"RevertInCreateInInit", storage},
		{"InitCollisionParis", storage},
		{"create2collisionStorageParis", storage},
		{"dynamicAccountOverwriteEmpty_Paris", storage},
		{"powToPosBlockRejection", choice},
		{"blockChainFrontierWithLargerTDvsHomesteadBlockchain", choice},
		{"::test_ext_code_on_set_code[fork_Prague-", marker},
		{"::test_ext_code_on_self_set_code[fork_Prague-", marker},
		{"::test_ext_code_on_self_delegating_set_code[fork_Prague-", marker},
		{"::test_ext_code_on_chain_delegating_set_code[fork_Prague-", marker},
		{"::test_full_gas_consumption[fork_Prague-state_test-exact_gas-type_4_with_authorization_refund]", floor},
		{"::test_full_gas_consumption[fork_Prague-state_test-extra_gas-type_4_with_authorization_refund]", floor},
		{"::test_gas_consumption_below_data_floor[fork_Prague-state_test-exact_gas-type_4_with_authorization_refund]", floor},
	} {
		if strings.Contains(test, known.part) {
			return known.reason
		}
	}
	return ""
}
