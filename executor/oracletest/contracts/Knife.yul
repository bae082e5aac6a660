// Knife runs its calldata as a program: one byte of operation, then its
// arguments. What it observes is mixed into an accumulator that it returns, so
// that a wrong value anywhere shows in a log, a slot or the gas.
//
// Opcodes newer than the compilation target are written verbatim, since the
// contract runs under every fork and each of them only where it exists.
object "Knife" {
  code {
    datacopy(0, dataoffset("Knife_deployed"), datasize("Knife_deployed"))
    return(0, datasize("Knife_deployed"))
  }
  object "Knife_deployed" {
    code {
      function mix(acc, v) -> r {
        mstore(0, acc)
        mstore(32, v)
        r := keccak256(0, 64)
      }
      function arg1(p) -> v { v := byte(0, calldataload(p)) }
      function arg2(p) -> v { v := shr(240, calldataload(p)) }
      function argAddr(p) -> v { v := shr(96, calldataload(p)) }
      // The answer of a call: success and the first word returned.
      function answer(acc, ok) -> r {
        mstore(64, 0)
        if gt(returndatasize(), 31) { returndatacopy(64, 0, 32) }
        r := mix(mix(acc, ok), mload(64))
      }

      let end := calldatasize()
      let p := 0
      let acc := 0
      for {} lt(p, end) {} {
        let op := arg1(p)
        p := add(p, 1)
        switch op
        case 0 { // set slot value
          sstore(arg1(p), arg1(add(p, 1)))
          p := add(p, 2)
        }
        case 1 { // increment slot
          let s := arg1(p)
          sstore(s, add(sload(s), 1))
          p := add(p, 1)
        }
        case 2 { // load slot
          acc := mix(acc, sload(arg1(p)))
          p := add(p, 1)
        }
        case 3 { // store transient
          verbatim_2i_0o(hex"5d", arg1(p), arg1(add(p, 1)))
          p := add(p, 2)
        }
        case 4 { // load transient
          acc := mix(acc, verbatim_1i_1o(hex"5c", arg1(p)))
          p := add(p, 1)
        }
        case 5 { // balance of address
          acc := mix(acc, balance(argAddr(p)))
          p := add(p, 20)
        }
        case 6 { acc := mix(acc, balance(address())) }
        case 7 { // code of address
          let a := argAddr(p)
          acc := mix(mix(acc, extcodesize(a)), verbatim_1i_1o(hex"3f", a))
          p := add(p, 20)
        }
        case 8 { // call address value length data
          let a := argAddr(p)
          let v := arg1(add(p, 20))
          let n := arg2(add(p, 21))
          p := add(p, 23)
          calldatacopy(96, p, n)
          acc := answer(acc, call(gas(), a, v, 96, n, 0, 0))
          p := add(p, n)
        }
        case 9 { // delegate to address length data
          let a := argAddr(p)
          let n := arg2(add(p, 20))
          p := add(p, 22)
          calldatacopy(96, p, n)
          acc := answer(acc, delegatecall(gas(), a, 96, n, 0, 0))
          p := add(p, n)
        }
        case 10 { // call address statically length data
          let a := argAddr(p)
          let n := arg2(add(p, 20))
          p := add(p, 22)
          calldatacopy(96, p, n)
          acc := answer(acc, verbatim_6i_1o(hex"fa", gas(), a, 96, n, 0, 0))
          p := add(p, n)
        }
        case 11 { // create value length initcode
          let v := arg1(p)
          let n := arg2(add(p, 1))
          p := add(p, 3)
          calldatacopy(96, p, n)
          acc := mix(acc, create(v, 96, n))
          p := add(p, n)
        }
        case 12 { // create2 value salt length initcode
          let v := arg1(p)
          let salt := arg1(add(p, 1))
          let n := arg2(add(p, 2))
          p := add(p, 4)
          calldatacopy(96, p, n)
          acc := mix(acc, verbatim_4i_1o(hex"f5", v, 96, n, salt))
          p := add(p, n)
        }
        case 13 { selfdestruct(argAddr(p)) }
        case 14 {
          mstore(0, acc)
          revert(0, 32)
        }
        case 15 { invalid() }
        case 16 { // log
          mstore(0, acc)
          log2(0, 32, acc, address())
        }
        case 17 { // save to slot
          sstore(arg1(p), acc)
          p := add(p, 1)
        }
        case 18 { // block hash, so many blocks back
          acc := mix(acc, blockhash(sub(number(), arg1(p))))
          p := add(p, 1)
        }
        case 19 {
          acc := mix(mix(mix(acc, coinbase()), timestamp()), number())
          acc := mix(mix(mix(acc, gaslimit()), origin()), gasprice())
          acc := mix(mix(mix(acc, caller()), callvalue()), address())
          acc := mix(acc, verbatim_0i_1o(hex"44"))
        }
        case 20 { acc := mix(acc, verbatim_0i_1o(hex"48")) } // base fee
        case 21 { // pay the coinbase
          acc := mix(acc, call(gas(), coinbase(), arg1(p), 0, 0, 0, 0))
          p := add(p, 1)
        }
        case 22 { acc := mix(acc, balance(coinbase())) }
        case 23 { // increment a slot of the caller's own
          mstore(0, caller())
          mstore(32, arg1(p))
          let s := keccak256(0, 64)
          sstore(s, add(sload(s), 1))
          p := add(p, 1)
        }
        case 24 { // load a run of slots
          let n := arg1(p)
          for { let i := 0 } lt(i, n) { i := add(i, 1) } { acc := mix(acc, sload(i)) }
          p := add(p, 1)
        }
        case 25 { acc := mix(acc, gas()) }
        case 26 { // pay all to address
          acc := mix(acc, call(gas(), argAddr(p), balance(address()), 0, 0, 0, 0))
          p := add(p, 20)
        }
        case 27 { // skip so many bytes if the slot is even
          let n := arg1(add(p, 1))
          if iszero(and(sload(arg1(p)), 1)) { p := add(p, n) }
          p := add(p, 2)
        }
        case 28 { // skip so many bytes if the balance of address is even
          let n := arg1(add(p, 20))
          if iszero(and(balance(argAddr(p)), 1)) { p := add(p, n) }
          p := add(p, 21)
        }
        case 29 { acc := mix(acc, verbatim_0i_1o(hex"4a")) } // blob base fee
        default { p := end }
      }
      mstore(0, acc)
      return(0, 32)
    }
  }
}
