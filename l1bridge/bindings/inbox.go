// Code generated via abigen V2 - DO NOT EDIT.
// This file is a generated binding and any manual changes will be lost.

package bindings

import (
	"bytes"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Reference imports to suppress errors if they are not otherwise used.
var (
	_ = bytes.Equal
	_ = errors.New
	_ = big.NewInt
	_ = common.Big1
	_ = types.BloomLookup
	_ = abi.ConvertType
)

// BatchHeader is an auto generated low-level Go binding around an user-defined struct.
type BatchHeader struct {
	FirstBlock    uint64
	FirstTx       uint32
	LastBlock     uint64
	LastComplete  bool
	LastHash      [32]byte
	ForcedCursor  uint64
	DepositCursor uint64
	GuardNumber   uint64
	GuardHash     [32]byte
}

// Tip is an auto generated low-level Go binding around an user-defined struct.
type Tip struct {
	NextIndex    uint64
	Acc          [32]byte
	LastBlock    uint64
	LastComplete bool
	L1Block      uint64
}

// InboxMetaData contains all meta data concerning the Inbox contract.
var InboxMetaData = bind.MetaData{
	ABI: "[{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"configHash_\",\"type\":\"bytes32\"},{\"internalType\":\"address\",\"name\":\"batcher_\",\"type\":\"address\"},{\"internalType\":\"address\",\"name\":\"owner_\",\"type\":\"address\"}],\"stateMutability\":\"nonpayable\",\"type\":\"constructor\"},{\"inputs\":[],\"name\":\"BadRange\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint64\",\"name\":\"guardNumber\",\"type\":\"uint64\"},{\"internalType\":\"bytes32\",\"name\":\"guardHash\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"canonical\",\"type\":\"bytes32\"}],\"name\":\"GuardMismatch\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint64\",\"name\":\"guardNumber\",\"type\":\"uint64\"},{\"internalType\":\"uint256\",\"name\":\"blockNumber\",\"type\":\"uint256\"}],\"name\":\"GuardOutOfWindow\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NoPayload\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"sender\",\"type\":\"address\"}],\"name\":\"NotBatcher\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"NotDirectCall\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"owner\",\"type\":\"address\"}],\"name\":\"OwnableInvalidOwner\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"account\",\"type\":\"address\"}],\"name\":\"OwnableUnauthorizedAccount\",\"type\":\"error\"},{\"inputs\":[],\"name\":\"TwoPayloads\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"bytes32\",\"name\":\"prevAcc\",\"type\":\"bytes32\"},{\"internalType\":\"bytes32\",\"name\":\"acc\",\"type\":\"bytes32\"}],\"name\":\"WrongAcc\",\"type\":\"error\"},{\"inputs\":[{\"internalType\":\"uint64\",\"name\":\"index\",\"type\":\"uint64\"},{\"internalType\":\"uint64\",\"name\":\"next\",\"type\":\"uint64\"}],\"name\":\"WrongIndex\",\"type\":\"error\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"uint64\",\"name\":\"index\",\"type\":\"uint64\"},{\"indexed\":false,\"internalType\":\"bytes32\",\"name\":\"acc\",\"type\":\"bytes32\"},{\"components\":[{\"internalType\":\"uint64\",\"name\":\"firstBlock\",\"type\":\"uint64\"},{\"internalType\":\"uint32\",\"name\":\"firstTx\",\"type\":\"uint32\"},{\"internalType\":\"uint64\",\"name\":\"lastBlock\",\"type\":\"uint64\"},{\"internalType\":\"bool\",\"name\":\"lastComplete\",\"type\":\"bool\"},{\"internalType\":\"bytes32\",\"name\":\"lastHash\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"forcedCursor\",\"type\":\"uint64\"},{\"internalType\":\"uint64\",\"name\":\"depositCursor\",\"type\":\"uint64\"},{\"internalType\":\"uint64\",\"name\":\"guardNumber\",\"type\":\"uint64\"},{\"internalType\":\"bytes32\",\"name\":\"guardHash\",\"type\":\"bytes32\"}],\"indexed\":false,\"internalType\":\"structBatchHeader\",\"name\":\"header\",\"type\":\"tuple\"},{\"indexed\":false,\"internalType\":\"bytes32[]\",\"name\":\"blobHashes\",\"type\":\"bytes32[]\"}],\"name\":\"BatchPosted\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"previous\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"current\",\"type\":\"address\"}],\"name\":\"BatcherChanged\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"previousOwner\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"newOwner\",\"type\":\"address\"}],\"name\":\"OwnershipTransferStarted\",\"type\":\"event\"},{\"anonymous\":false,\"inputs\":[{\"indexed\":true,\"internalType\":\"address\",\"name\":\"previousOwner\",\"type\":\"address\"},{\"indexed\":true,\"internalType\":\"address\",\"name\":\"newOwner\",\"type\":\"address\"}],\"name\":\"OwnershipTransferred\",\"type\":\"event\"},{\"inputs\":[],\"name\":\"GUARD_WINDOW\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"acc\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"acceptOwnership\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"batcher\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"configHash\",\"outputs\":[{\"internalType\":\"bytes32\",\"name\":\"\",\"type\":\"bytes32\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"nextIndex\",\"outputs\":[{\"internalType\":\"uint64\",\"name\":\"\",\"type\":\"uint64\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"owner\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"pendingOwner\",\"outputs\":[{\"internalType\":\"address\",\"name\":\"\",\"type\":\"address\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"uint64\",\"name\":\"index\",\"type\":\"uint64\"},{\"internalType\":\"bytes32\",\"name\":\"prevAcc\",\"type\":\"bytes32\"},{\"components\":[{\"internalType\":\"uint64\",\"name\":\"firstBlock\",\"type\":\"uint64\"},{\"internalType\":\"uint32\",\"name\":\"firstTx\",\"type\":\"uint32\"},{\"internalType\":\"uint64\",\"name\":\"lastBlock\",\"type\":\"uint64\"},{\"internalType\":\"bool\",\"name\":\"lastComplete\",\"type\":\"bool\"},{\"internalType\":\"bytes32\",\"name\":\"lastHash\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"forcedCursor\",\"type\":\"uint64\"},{\"internalType\":\"uint64\",\"name\":\"depositCursor\",\"type\":\"uint64\"},{\"internalType\":\"uint64\",\"name\":\"guardNumber\",\"type\":\"uint64\"},{\"internalType\":\"bytes32\",\"name\":\"guardHash\",\"type\":\"bytes32\"}],\"internalType\":\"structBatchHeader\",\"name\":\"header\",\"type\":\"tuple\"},{\"internalType\":\"bytes\",\"name\":\"payload\",\"type\":\"bytes\"}],\"name\":\"postBatch\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"renounceOwnership\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"next\",\"type\":\"address\"}],\"name\":\"setBatcher\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"},{\"inputs\":[],\"name\":\"tip\",\"outputs\":[{\"components\":[{\"internalType\":\"uint64\",\"name\":\"nextIndex\",\"type\":\"uint64\"},{\"internalType\":\"bytes32\",\"name\":\"acc\",\"type\":\"bytes32\"},{\"internalType\":\"uint64\",\"name\":\"lastBlock\",\"type\":\"uint64\"},{\"internalType\":\"bool\",\"name\":\"lastComplete\",\"type\":\"bool\"},{\"internalType\":\"uint64\",\"name\":\"l1Block\",\"type\":\"uint64\"}],\"internalType\":\"structTip\",\"name\":\"\",\"type\":\"tuple\"}],\"stateMutability\":\"view\",\"type\":\"function\"},{\"inputs\":[{\"internalType\":\"address\",\"name\":\"newOwner\",\"type\":\"address\"}],\"name\":\"transferOwnership\",\"outputs\":[],\"stateMutability\":\"nonpayable\",\"type\":\"function\"}]",
	ID:  "Inbox",
	Bin: "0x60a03461012a57601f61119538819003918201601f19168301916001600160401b0383118484101761012e5780849260609460405283398101031261012a5780519061004d60208201610142565b906001600160a01b039061006390604001610142565b1691821561011757600180546001600160a01b03199081169091555f80549182168517815560405194916001600160a01b0316907f8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e09080a3608052600280546001600160a01b0319166001600160a01b039290921691821790555f7fadfc696b07c94e97274f2a92041f5baf91c17eb3a50d000238310768357ca6118180a361103e90816101578239608051816109bd0152f35b631e4fbdf760e01b5f525f60045260245ffd5b5f80fd5b634e487b7160e01b5f52604160045260245ffd5b51906001600160a01b038216820361012a5756fe6080806040526004361015610012575f80fd5b5f3560e01c908163025a3a2914610dfa57508063058a8e5f14610d3b5780632755cd2d14610c6f5780635c770bf314610c35578063715018a614610b7357806379ba509714610a6b5780637da1365e14610a305780638da5cb5b146109e0578063e1f1176d14610988578063e30c397814610937578063f2fde38b14610877578063f4837f4c146100f45763fc7e9c6f146100ab575f80fd5b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f057602067ffffffffffffffff60045416604051908152f35b5f80fd5b346100f0576101807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f05760043567ffffffffffffffff81168091036100f0576024356101207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffbc3601126100f0576101643567ffffffffffffffff81116100f057366023820112156100f05780600401359167ffffffffffffffff83116100f05736602484840101116100f05773ffffffffffffffffffffffffffffffffffffffff60025416330361084b57323314801590610841575b610819576004549067ffffffffffffffff82168086036107ea57506003548082036107bb57506101fe610ff7565b8015610797575b67ffffffffffffffff610216610ee9565b1615908115610771575b8115610755575b8115610744575b5061071c576101243567ffffffffffffffff8116908181036100f0575061014435438210801590610708575b6106d857814091821561063d575b82158015610633575b610602575050505f925b83496105d15761028a84611026565b946102986040519687610e91565b8486526102a485611026565b947fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe06020880196013687375f5b81811061058657505085516104ec5780156104c4575f60206102f283610f00565b926103006040519485610e91565b80845280602483860196018637830101525190205b845190604051916020830193845287604084015261033560608401610f3a565b6101808301526101a08201526101a081526103526101c082610e91565b5190209081600355600185019067ffffffffffffffff82116104975770ff000000000000000000000000000000006fffffffffffffffff0000000000000000610399610ed2565b60401b167fffffffffffffff0000000000000000ffffffffffffffffffffffffffffffffff6103c6610ff7565b151560801b937fffffffffffffffffffffffffffffff000000000000000000000000000000000067ffffffffffffffff78ffffffffffffffff00000000000000000000000000000000004360881b16971691161716179116171760045560405192610160840191845261043b60208501610f3a565b61016061014085015251809152610180830191905f5b81811061048157857f6b7ee0f2302d8b6bf975d23636d54e7e24e41905e48637204f8c487fa51de38e86860387a2005b8251845260209384019390920191600101610451565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b7f1cb0a0e6000000000000000000000000000000000000000000000000000000005f5260045ffd5b905061055e576040516020810190818187519187925f5b81811061054557505061053d9250037fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe08101835282610e91565b519020610315565b8451835260209485019486945090920191600101610503565b7f3d6db246000000000000000000000000000000000000000000000000000000005f5260045ffd5b87518110156105a457806001914960208260051b8b010152016102d1565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b927fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8114610497576001019261027b565b7f36571ec4000000000000000000000000000000000000000000000000000000005f5260045260245260445260645ffd5b5081831415610271565b5f80604051602081019084825260208152610659604082610e91565b519071f90827f1c53a10cb7a02335b1753200029355afa3d156106d0573d9061068182610f00565b9161068f6040519384610e91565b82523d5f602084013e5b806106c5575b6106aa575b50610268565b9092506020818051810103126100f0576020015191886106a4565b50602081511461069f565b606090610699565b507f32565017000000000000000000000000000000000000000000000000000000005f526004524360245260445ffd5b5081430343811161049757611f401061025a565b7f9aab2bb0000000000000000000000000000000000000000000000000000000005f5260045ffd5b151560c4351515141590508661022e565b905067ffffffffffffffff80610769610ed2565b161490610227565b905061077b610ed2565b67ffffffffffffffff8061078d610ee9565b1691161090610220565b506107a0610ed2565b67ffffffffffffffff806107b2610ee9565b16911611610205565b907fcc9f38a9000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b857fa6af4cca000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b7f5bddb09f000000000000000000000000000000000000000000000000000000005f5260045ffd5b50333b15156101d0565b7ff1dff602000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b346100f05760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f05760043573ffffffffffffffffffffffffffffffffffffffff81168091036100f0576108cf611006565b807fffffffffffffffffffffffff0000000000000000000000000000000000000000600154161760015573ffffffffffffffffffffffffffffffffffffffff5f54167f38d16b8cac22d99fc7c124b9cd0de2d3fa1faef420bfe791d8c362d765e227005f80a3005b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f057602073ffffffffffffffffffffffffffffffffffffffff60015416604051908152f35b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f05760206040517f00000000000000000000000000000000000000000000000000000000000000008152f35b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f057602073ffffffffffffffffffffffffffffffffffffffff5f5416604051908152f35b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f0576020600354604051908152f35b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f0573373ffffffffffffffffffffffffffffffffffffffff6001541603610b47577fffffffffffffffffffffffff0000000000000000000000000000000000000000600154166001555f54337fffffffffffffffffffffffff00000000000000000000000000000000000000008216175f5573ffffffffffffffffffffffffffffffffffffffff3391167f8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e05f80a3005b7f118cdaa7000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f057610ba9611006565b7fffffffffffffffffffffffff0000000000000000000000000000000000000000600154166001555f73ffffffffffffffffffffffffffffffffffffffff81547fffffffffffffffffffffffff000000000000000000000000000000000000000081168355167f8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e08280a3005b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f0576020604051611f408152f35b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f0575f6080604051610cac81610e48565b828152826020820152826040820152826060820152015260a060045467ffffffffffffffff808216916003548260405191610ce683610e48565b858352602083019081526040830190828560401c168252826080606086019560ff88831c1615158752019560881c16855260405196875251602087015251166040850152511515606084015251166080820152f35b346100f05760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f05760043573ffffffffffffffffffffffffffffffffffffffff81168091036100f057610d93611006565b7fffffffffffffffffffffffff00000000000000000000000000000000000000006002548273ffffffffffffffffffffffffffffffffffffffff82167fadfc696b07c94e97274f2a92041f5baf91c17eb3a50d000238310768357ca6115f80a31617600255005b346100f0575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100f05760209073ffffffffffffffffffffffffffffffffffffffff600254168152f35b60a0810190811067ffffffffffffffff821117610e6457604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117610e6457604052565b60843567ffffffffffffffff811681036100f05790565b60443567ffffffffffffffff811681036100f05790565b67ffffffffffffffff8111610e6457601f017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe01660200190565b60443567ffffffffffffffff81168091036100f057815260643563ffffffff81168091036100f057602082015260843567ffffffffffffffff81168091036100f057604082015260a4358015158091036100f057606082015260c435608082015260e43567ffffffffffffffff81168091036100f05760a08201526101043567ffffffffffffffff81168091036100f05760c08201526101243567ffffffffffffffff81168091036100f05760e082015261010061014435910152565b60a43580151581036100f05790565b73ffffffffffffffffffffffffffffffffffffffff5f54163303610b4757565b67ffffffffffffffff8111610e645760051b6020019056",
}

// Inbox is an auto generated Go binding around an Ethereum contract.
type Inbox struct {
	abi abi.ABI
}

// GetABI returns the ABI associated with this contract binding.
func (c *Inbox) GetABI() abi.ABI {
	return c.abi
}

// NewInbox creates a new instance of Inbox.
func NewInbox() *Inbox {
	parsed, err := InboxMetaData.ParseABI()
	if err != nil {
		panic(errors.New("invalid ABI: " + err.Error()))
	}
	return &Inbox{abi: *parsed}
}

// Instance creates a wrapper for a deployed contract instance at the given address.
// Use this to create the instance object passed to abigen v2 library functions Call, Transact, etc.
func (c *Inbox) Instance(backend bind.ContractBackend, addr common.Address) *bind.BoundContract {
	return bind.NewBoundContract(addr, c.abi, backend, backend, backend)
}

// PackConstructor is the Go binding used to pack the parameters required for
// contract deployment.
//
// Solidity: constructor(bytes32 configHash_, address batcher_, address owner_) returns()
func (inbox *Inbox) PackConstructor(configHash_ [32]byte, batcher_ common.Address, owner_ common.Address) []byte {
	enc, err := inbox.abi.Pack("", configHash_, batcher_, owner_)
	if err != nil {
		panic(err)
	}
	return enc
}

// PackGUARDWINDOW is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x5c770bf3.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function GUARD_WINDOW() view returns(uint64)
func (inbox *Inbox) PackGUARDWINDOW() []byte {
	enc, err := inbox.abi.Pack("GUARD_WINDOW")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackGUARDWINDOW is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x5c770bf3.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function GUARD_WINDOW() view returns(uint64)
func (inbox *Inbox) TryPackGUARDWINDOW() ([]byte, error) {
	return inbox.abi.Pack("GUARD_WINDOW")
}

// UnpackGUARDWINDOW is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x5c770bf3.
//
// Solidity: function GUARD_WINDOW() view returns(uint64)
func (inbox *Inbox) UnpackGUARDWINDOW(data []byte) (uint64, error) {
	out, err := inbox.abi.Unpack("GUARD_WINDOW", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackAcc is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x7da1365e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function acc() view returns(bytes32)
func (inbox *Inbox) PackAcc() []byte {
	enc, err := inbox.abi.Pack("acc")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAcc is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x7da1365e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function acc() view returns(bytes32)
func (inbox *Inbox) TryPackAcc() ([]byte, error) {
	return inbox.abi.Pack("acc")
}

// UnpackAcc is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x7da1365e.
//
// Solidity: function acc() view returns(bytes32)
func (inbox *Inbox) UnpackAcc(data []byte) ([32]byte, error) {
	out, err := inbox.abi.Unpack("acc", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackAcceptOwnership is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x79ba5097.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function acceptOwnership() returns()
func (inbox *Inbox) PackAcceptOwnership() []byte {
	enc, err := inbox.abi.Pack("acceptOwnership")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackAcceptOwnership is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x79ba5097.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function acceptOwnership() returns()
func (inbox *Inbox) TryPackAcceptOwnership() ([]byte, error) {
	return inbox.abi.Pack("acceptOwnership")
}

// PackBatcher is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x025a3a29.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function batcher() view returns(address)
func (inbox *Inbox) PackBatcher() []byte {
	enc, err := inbox.abi.Pack("batcher")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackBatcher is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x025a3a29.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function batcher() view returns(address)
func (inbox *Inbox) TryPackBatcher() ([]byte, error) {
	return inbox.abi.Pack("batcher")
}

// UnpackBatcher is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x025a3a29.
//
// Solidity: function batcher() view returns(address)
func (inbox *Inbox) UnpackBatcher(data []byte) (common.Address, error) {
	out, err := inbox.abi.Unpack("batcher", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackConfigHash is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe1f1176d.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function configHash() view returns(bytes32)
func (inbox *Inbox) PackConfigHash() []byte {
	enc, err := inbox.abi.Pack("configHash")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackConfigHash is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe1f1176d.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function configHash() view returns(bytes32)
func (inbox *Inbox) TryPackConfigHash() ([]byte, error) {
	return inbox.abi.Pack("configHash")
}

// UnpackConfigHash is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xe1f1176d.
//
// Solidity: function configHash() view returns(bytes32)
func (inbox *Inbox) UnpackConfigHash(data []byte) ([32]byte, error) {
	out, err := inbox.abi.Unpack("configHash", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackNextIndex is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfc7e9c6f.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function nextIndex() view returns(uint64)
func (inbox *Inbox) PackNextIndex() []byte {
	enc, err := inbox.abi.Pack("nextIndex")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackNextIndex is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xfc7e9c6f.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function nextIndex() view returns(uint64)
func (inbox *Inbox) TryPackNextIndex() ([]byte, error) {
	return inbox.abi.Pack("nextIndex")
}

// UnpackNextIndex is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xfc7e9c6f.
//
// Solidity: function nextIndex() view returns(uint64)
func (inbox *Inbox) UnpackNextIndex(data []byte) (uint64, error) {
	out, err := inbox.abi.Unpack("nextIndex", data)
	if err != nil {
		return *new(uint64), err
	}
	out0 := *abi.ConvertType(out[0], new(uint64)).(*uint64)
	return out0, nil
}

// PackOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8da5cb5b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function owner() view returns(address)
func (inbox *Inbox) PackOwner() []byte {
	enc, err := inbox.abi.Pack("owner")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x8da5cb5b.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function owner() view returns(address)
func (inbox *Inbox) TryPackOwner() ([]byte, error) {
	return inbox.abi.Pack("owner")
}

// UnpackOwner is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x8da5cb5b.
//
// Solidity: function owner() view returns(address)
func (inbox *Inbox) UnpackOwner(data []byte) (common.Address, error) {
	out, err := inbox.abi.Unpack("owner", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackPendingOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe30c3978.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function pendingOwner() view returns(address)
func (inbox *Inbox) PackPendingOwner() []byte {
	enc, err := inbox.abi.Pack("pendingOwner")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackPendingOwner is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe30c3978.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function pendingOwner() view returns(address)
func (inbox *Inbox) TryPackPendingOwner() ([]byte, error) {
	return inbox.abi.Pack("pendingOwner")
}

// UnpackPendingOwner is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xe30c3978.
//
// Solidity: function pendingOwner() view returns(address)
func (inbox *Inbox) UnpackPendingOwner(data []byte) (common.Address, error) {
	out, err := inbox.abi.Unpack("pendingOwner", data)
	if err != nil {
		return *new(common.Address), err
	}
	out0 := *abi.ConvertType(out[0], new(common.Address)).(*common.Address)
	return out0, nil
}

// PackPostBatch is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf4837f4c.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function postBatch(uint64 index, bytes32 prevAcc, (uint64,uint32,uint64,bool,bytes32,uint64,uint64,uint64,bytes32) header, bytes payload) returns()
func (inbox *Inbox) PackPostBatch(index uint64, prevAcc [32]byte, header BatchHeader, payload []byte) []byte {
	enc, err := inbox.abi.Pack("postBatch", index, prevAcc, header, payload)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackPostBatch is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf4837f4c.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function postBatch(uint64 index, bytes32 prevAcc, (uint64,uint32,uint64,bool,bytes32,uint64,uint64,uint64,bytes32) header, bytes payload) returns()
func (inbox *Inbox) TryPackPostBatch(index uint64, prevAcc [32]byte, header BatchHeader, payload []byte) ([]byte, error) {
	return inbox.abi.Pack("postBatch", index, prevAcc, header, payload)
}

// PackRenounceOwnership is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x715018a6.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function renounceOwnership() returns()
func (inbox *Inbox) PackRenounceOwnership() []byte {
	enc, err := inbox.abi.Pack("renounceOwnership")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackRenounceOwnership is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x715018a6.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function renounceOwnership() returns()
func (inbox *Inbox) TryPackRenounceOwnership() ([]byte, error) {
	return inbox.abi.Pack("renounceOwnership")
}

// PackSetBatcher is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x058a8e5f.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function setBatcher(address next) returns()
func (inbox *Inbox) PackSetBatcher(next common.Address) []byte {
	enc, err := inbox.abi.Pack("setBatcher", next)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackSetBatcher is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x058a8e5f.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function setBatcher(address next) returns()
func (inbox *Inbox) TryPackSetBatcher(next common.Address) ([]byte, error) {
	return inbox.abi.Pack("setBatcher", next)
}

// PackTip is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2755cd2d.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function tip() view returns((uint64,bytes32,uint64,bool,uint64))
func (inbox *Inbox) PackTip() []byte {
	enc, err := inbox.abi.Pack("tip")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackTip is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x2755cd2d.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function tip() view returns((uint64,bytes32,uint64,bool,uint64))
func (inbox *Inbox) TryPackTip() ([]byte, error) {
	return inbox.abi.Pack("tip")
}

// UnpackTip is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x2755cd2d.
//
// Solidity: function tip() view returns((uint64,bytes32,uint64,bool,uint64))
func (inbox *Inbox) UnpackTip(data []byte) (Tip, error) {
	out, err := inbox.abi.Unpack("tip", data)
	if err != nil {
		return *new(Tip), err
	}
	out0 := *abi.ConvertType(out[0], new(Tip)).(*Tip)
	return out0, nil
}

// PackTransferOwnership is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf2fde38b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function transferOwnership(address newOwner) returns()
func (inbox *Inbox) PackTransferOwnership(newOwner common.Address) []byte {
	enc, err := inbox.abi.Pack("transferOwnership", newOwner)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackTransferOwnership is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf2fde38b.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function transferOwnership(address newOwner) returns()
func (inbox *Inbox) TryPackTransferOwnership(newOwner common.Address) ([]byte, error) {
	return inbox.abi.Pack("transferOwnership", newOwner)
}

// InboxBatchPosted represents a BatchPosted event raised by the Inbox contract.
type InboxBatchPosted struct {
	Index      uint64
	Acc        [32]byte
	Header     BatchHeader
	BlobHashes [][32]byte
	Raw        *types.Log // Blockchain specific contextual infos
}

const InboxBatchPostedEventName = "BatchPosted"

// ContractEventName returns the user-defined event name.
func (InboxBatchPosted) ContractEventName() string {
	return InboxBatchPostedEventName
}

// UnpackBatchPostedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event BatchPosted(uint64 indexed index, bytes32 acc, (uint64,uint32,uint64,bool,bytes32,uint64,uint64,uint64,bytes32) header, bytes32[] blobHashes)
func (inbox *Inbox) UnpackBatchPostedEvent(log *types.Log) (*InboxBatchPosted, error) {
	event := "BatchPosted"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inbox.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InboxBatchPosted)
	if len(log.Data) > 0 {
		if err := inbox.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inbox.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InboxBatcherChanged represents a BatcherChanged event raised by the Inbox contract.
type InboxBatcherChanged struct {
	Previous common.Address
	Current  common.Address
	Raw      *types.Log // Blockchain specific contextual infos
}

const InboxBatcherChangedEventName = "BatcherChanged"

// ContractEventName returns the user-defined event name.
func (InboxBatcherChanged) ContractEventName() string {
	return InboxBatcherChangedEventName
}

// UnpackBatcherChangedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event BatcherChanged(address indexed previous, address indexed current)
func (inbox *Inbox) UnpackBatcherChangedEvent(log *types.Log) (*InboxBatcherChanged, error) {
	event := "BatcherChanged"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inbox.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InboxBatcherChanged)
	if len(log.Data) > 0 {
		if err := inbox.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inbox.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InboxOwnershipTransferStarted represents a OwnershipTransferStarted event raised by the Inbox contract.
type InboxOwnershipTransferStarted struct {
	PreviousOwner common.Address
	NewOwner      common.Address
	Raw           *types.Log // Blockchain specific contextual infos
}

const InboxOwnershipTransferStartedEventName = "OwnershipTransferStarted"

// ContractEventName returns the user-defined event name.
func (InboxOwnershipTransferStarted) ContractEventName() string {
	return InboxOwnershipTransferStartedEventName
}

// UnpackOwnershipTransferStartedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event OwnershipTransferStarted(address indexed previousOwner, address indexed newOwner)
func (inbox *Inbox) UnpackOwnershipTransferStartedEvent(log *types.Log) (*InboxOwnershipTransferStarted, error) {
	event := "OwnershipTransferStarted"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inbox.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InboxOwnershipTransferStarted)
	if len(log.Data) > 0 {
		if err := inbox.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inbox.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// InboxOwnershipTransferred represents a OwnershipTransferred event raised by the Inbox contract.
type InboxOwnershipTransferred struct {
	PreviousOwner common.Address
	NewOwner      common.Address
	Raw           *types.Log // Blockchain specific contextual infos
}

const InboxOwnershipTransferredEventName = "OwnershipTransferred"

// ContractEventName returns the user-defined event name.
func (InboxOwnershipTransferred) ContractEventName() string {
	return InboxOwnershipTransferredEventName
}

// UnpackOwnershipTransferredEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event OwnershipTransferred(address indexed previousOwner, address indexed newOwner)
func (inbox *Inbox) UnpackOwnershipTransferredEvent(log *types.Log) (*InboxOwnershipTransferred, error) {
	event := "OwnershipTransferred"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != inbox.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(InboxOwnershipTransferred)
	if len(log.Data) > 0 {
		if err := inbox.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range inbox.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// UnpackError attempts to decode the provided error data using user-defined
// error definitions.
func (inbox *Inbox) UnpackError(raw []byte) (any, error) {
	if bytes.Equal(raw[:4], inbox.abi.Errors["BadRange"].ID.Bytes()[:4]) {
		return inbox.UnpackBadRangeError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["GuardMismatch"].ID.Bytes()[:4]) {
		return inbox.UnpackGuardMismatchError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["GuardOutOfWindow"].ID.Bytes()[:4]) {
		return inbox.UnpackGuardOutOfWindowError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["NoPayload"].ID.Bytes()[:4]) {
		return inbox.UnpackNoPayloadError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["NotBatcher"].ID.Bytes()[:4]) {
		return inbox.UnpackNotBatcherError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["NotDirectCall"].ID.Bytes()[:4]) {
		return inbox.UnpackNotDirectCallError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["OwnableInvalidOwner"].ID.Bytes()[:4]) {
		return inbox.UnpackOwnableInvalidOwnerError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["OwnableUnauthorizedAccount"].ID.Bytes()[:4]) {
		return inbox.UnpackOwnableUnauthorizedAccountError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["TwoPayloads"].ID.Bytes()[:4]) {
		return inbox.UnpackTwoPayloadsError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["WrongAcc"].ID.Bytes()[:4]) {
		return inbox.UnpackWrongAccError(raw[4:])
	}
	if bytes.Equal(raw[:4], inbox.abi.Errors["WrongIndex"].ID.Bytes()[:4]) {
		return inbox.UnpackWrongIndexError(raw[4:])
	}
	return nil, errors.New("Unknown error")
}

// InboxBadRange represents a BadRange error raised by the Inbox contract.
type InboxBadRange struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error BadRange()
func InboxBadRangeErrorID() common.Hash {
	return common.HexToHash("0x9aab2bb0beb157d2d080e765e0a6dea54552296cf4b82855cad4b73c885e3308")
}

// UnpackBadRangeError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error BadRange()
func (inbox *Inbox) UnpackBadRangeError(raw []byte) (*InboxBadRange, error) {
	out := new(InboxBadRange)
	if err := inbox.abi.UnpackIntoInterface(out, "BadRange", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxGuardMismatch represents a GuardMismatch error raised by the Inbox contract.
type InboxGuardMismatch struct {
	GuardNumber uint64
	GuardHash   [32]byte
	Canonical   [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error GuardMismatch(uint64 guardNumber, bytes32 guardHash, bytes32 canonical)
func InboxGuardMismatchErrorID() common.Hash {
	return common.HexToHash("0x36571ec41c745ca159218d34dac6a51e9ed101fe0a3dd3bc2784bfcb15e5a591")
}

// UnpackGuardMismatchError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error GuardMismatch(uint64 guardNumber, bytes32 guardHash, bytes32 canonical)
func (inbox *Inbox) UnpackGuardMismatchError(raw []byte) (*InboxGuardMismatch, error) {
	out := new(InboxGuardMismatch)
	if err := inbox.abi.UnpackIntoInterface(out, "GuardMismatch", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxGuardOutOfWindow represents a GuardOutOfWindow error raised by the Inbox contract.
type InboxGuardOutOfWindow struct {
	GuardNumber uint64
	BlockNumber *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error GuardOutOfWindow(uint64 guardNumber, uint256 blockNumber)
func InboxGuardOutOfWindowErrorID() common.Hash {
	return common.HexToHash("0x3256501777b6099a057408b0b55345b3b43015bf4d8bd217e33dbc7274ff4485")
}

// UnpackGuardOutOfWindowError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error GuardOutOfWindow(uint64 guardNumber, uint256 blockNumber)
func (inbox *Inbox) UnpackGuardOutOfWindowError(raw []byte) (*InboxGuardOutOfWindow, error) {
	out := new(InboxGuardOutOfWindow)
	if err := inbox.abi.UnpackIntoInterface(out, "GuardOutOfWindow", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxNoPayload represents a NoPayload error raised by the Inbox contract.
type InboxNoPayload struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NoPayload()
func InboxNoPayloadErrorID() common.Hash {
	return common.HexToHash("0x1cb0a0e6c7b6ae81ba1eaae7d35306541ae61c1a4a5e2b6a5dd8b05982192ae9")
}

// UnpackNoPayloadError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NoPayload()
func (inbox *Inbox) UnpackNoPayloadError(raw []byte) (*InboxNoPayload, error) {
	out := new(InboxNoPayload)
	if err := inbox.abi.UnpackIntoInterface(out, "NoPayload", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxNotBatcher represents a NotBatcher error raised by the Inbox contract.
type InboxNotBatcher struct {
	Sender common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NotBatcher(address sender)
func InboxNotBatcherErrorID() common.Hash {
	return common.HexToHash("0xf1dff602304b6808b54bfb3371e7adb826b4f399c88b2bbc7f7bf13c7b24fcb4")
}

// UnpackNotBatcherError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NotBatcher(address sender)
func (inbox *Inbox) UnpackNotBatcherError(raw []byte) (*InboxNotBatcher, error) {
	out := new(InboxNotBatcher)
	if err := inbox.abi.UnpackIntoInterface(out, "NotBatcher", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxNotDirectCall represents a NotDirectCall error raised by the Inbox contract.
type InboxNotDirectCall struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NotDirectCall()
func InboxNotDirectCallErrorID() common.Hash {
	return common.HexToHash("0x5bddb09fe6ef79d2f4539c9d682235926937f9615b05d2b4828d17cbbd6a5231")
}

// UnpackNotDirectCallError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NotDirectCall()
func (inbox *Inbox) UnpackNotDirectCallError(raw []byte) (*InboxNotDirectCall, error) {
	out := new(InboxNotDirectCall)
	if err := inbox.abi.UnpackIntoInterface(out, "NotDirectCall", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxOwnableInvalidOwner represents a OwnableInvalidOwner error raised by the Inbox contract.
type InboxOwnableInvalidOwner struct {
	Owner common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error OwnableInvalidOwner(address owner)
func InboxOwnableInvalidOwnerErrorID() common.Hash {
	return common.HexToHash("0x1e4fbdf7f3ef8bcaa855599e3abf48b232380f183f08f6f813d9ffa5bd585188")
}

// UnpackOwnableInvalidOwnerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error OwnableInvalidOwner(address owner)
func (inbox *Inbox) UnpackOwnableInvalidOwnerError(raw []byte) (*InboxOwnableInvalidOwner, error) {
	out := new(InboxOwnableInvalidOwner)
	if err := inbox.abi.UnpackIntoInterface(out, "OwnableInvalidOwner", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxOwnableUnauthorizedAccount represents a OwnableUnauthorizedAccount error raised by the Inbox contract.
type InboxOwnableUnauthorizedAccount struct {
	Account common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error OwnableUnauthorizedAccount(address account)
func InboxOwnableUnauthorizedAccountErrorID() common.Hash {
	return common.HexToHash("0x118cdaa7a341953d1887a2245fd6665d741c67c8c50581daa59e1d03373fa188")
}

// UnpackOwnableUnauthorizedAccountError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error OwnableUnauthorizedAccount(address account)
func (inbox *Inbox) UnpackOwnableUnauthorizedAccountError(raw []byte) (*InboxOwnableUnauthorizedAccount, error) {
	out := new(InboxOwnableUnauthorizedAccount)
	if err := inbox.abi.UnpackIntoInterface(out, "OwnableUnauthorizedAccount", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxTwoPayloads represents a TwoPayloads error raised by the Inbox contract.
type InboxTwoPayloads struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error TwoPayloads()
func InboxTwoPayloadsErrorID() common.Hash {
	return common.HexToHash("0x3d6db246d954073a152e59579dc9b8d32bd3590f55ce00ed8af8e3e4907df34a")
}

// UnpackTwoPayloadsError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error TwoPayloads()
func (inbox *Inbox) UnpackTwoPayloadsError(raw []byte) (*InboxTwoPayloads, error) {
	out := new(InboxTwoPayloads)
	if err := inbox.abi.UnpackIntoInterface(out, "TwoPayloads", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxWrongAcc represents a WrongAcc error raised by the Inbox contract.
type InboxWrongAcc struct {
	PrevAcc [32]byte
	Acc     [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error WrongAcc(bytes32 prevAcc, bytes32 acc)
func InboxWrongAccErrorID() common.Hash {
	return common.HexToHash("0xcc9f38a94134969e2611327f68b7db65543006a0d1a2cec87be6aa3d2eebd1a0")
}

// UnpackWrongAccError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error WrongAcc(bytes32 prevAcc, bytes32 acc)
func (inbox *Inbox) UnpackWrongAccError(raw []byte) (*InboxWrongAcc, error) {
	out := new(InboxWrongAcc)
	if err := inbox.abi.UnpackIntoInterface(out, "WrongAcc", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// InboxWrongIndex represents a WrongIndex error raised by the Inbox contract.
type InboxWrongIndex struct {
	Index uint64
	Next  uint64
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error WrongIndex(uint64 index, uint64 next)
func InboxWrongIndexErrorID() common.Hash {
	return common.HexToHash("0xa6af4cca6086fae522cb8937bd56fcc7e2ee283aaae27c7a29f6db54bdf7f489")
}

// UnpackWrongIndexError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error WrongIndex(uint64 index, uint64 next)
func (inbox *Inbox) UnpackWrongIndexError(raw []byte) (*InboxWrongIndex, error) {
	out := new(InboxWrongIndex)
	if err := inbox.abi.UnpackIntoInterface(out, "WrongIndex", raw); err != nil {
		return nil, err
	}
	return out, nil
}
