package api

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/ethereum/go-ethereum/rpc"
)

// upstream calls the methods of the embedded node that methods of ours stand in
// front of. Many of their parameter types cannot be named outside geth, so
// parameters are passed as JSON and decoded into whatever the method takes.
type upstream struct {
	methods map[string]reflect.Value
}

//nolint:gochecknoglobals // constants of package reflect
var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// newUpstream indexes apis. As in rpc.Server, a later method takes the place of
// an earlier one of the same name.
func newUpstream(apis []rpc.API) *upstream {
	u := &upstream{methods: make(map[string]reflect.Value)}
	for _, api := range apis {
		v := reflect.ValueOf(api.Service)
		for i := range v.NumMethod() {
			name := []rune(v.Type().Method(i).Name)
			name[0] = unicode.ToLower(name[0])
			u.methods[api.Namespace+"_"+string(name)] = v.Method(i)
		}
	}
	return u
}

// call calls a method. Trailing parameters may be left out or nil where the
// method takes pointers.
//
// A read that runs while its state moves from memory to disk fails, and finds it
// there when it is tried again.
func (u *upstream) call(ctx context.Context, method string, params ...any) (any, error) {
	v, err := u.try(ctx, method, params...)
	for i := 0; i < maxRetries && isStale(err) && ctx.Err() == nil; i++ {
		v, err = u.try(ctx, method, params...)
	}
	return v, err
}

// maxRetries bounds the repetitions of a call. Each needs another flush to have
// happened meanwhile.
const maxRetries = 3

// isStale recognises geth's error of a state that has moved, which has no name
// outside geth.
func isStale(err error) bool { return err != nil && strings.Contains(err.Error(), "layer stale") }

func (u *upstream) try(ctx context.Context, method string, params ...any) (any, error) {
	m, ok := u.methods[method]
	if !ok {
		return nil, noMethod(method)
	}
	t := m.Type()
	args := make([]reflect.Value, 0, t.NumIn())
	if t.NumIn() > 0 && t.In(0) == contextType {
		args = append(args, reflect.ValueOf(ctx))
	}
	for i := 0; len(args) < t.NumIn(); i++ {
		arg, err := argument(t.In(len(args)), params, i)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return result(m.Call(args))
}

func argument(t reflect.Type, params []any, i int) (reflect.Value, error) {
	arg := reflect.New(t)
	if i >= len(params) || isNil(params[i]) {
		if t.Kind() != reflect.Pointer {
			return reflect.Value{}, invalidParams(fmt.Sprintf("missing value for required argument %d", i))
		}
		return arg.Elem(), nil
	}
	enc, err := encoded(params[i])
	if err != nil {
		return reflect.Value{}, fmt.Errorf("encode argument %d: %w", i, err)
	}
	if err := json.Unmarshal(enc, arg.Interface()); err != nil {
		return reflect.Value{}, invalidParams(fmt.Sprintf("invalid argument %d: %v", i, err))
	}
	return arg.Elem(), nil
}

func encoded(param any) ([]byte, error) {
	switch p := param.(type) {
	case json.RawMessage:
		return p, nil
	case *json.RawMessage:
		return *p, nil
	default:
		return json.Marshal(p)
	}
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return rv.IsNil()
	default:
		return false
	}
}

func result(outs []reflect.Value) (any, error) {
	if len(outs) == 0 {
		return nil, nil
	}
	last := outs[len(outs)-1]
	if last.Type().Implements(errorType) {
		if err, ok := reflect.TypeAssert[error](last); ok && err != nil {
			return nil, asRPC(err)
		}
		if len(outs) == 1 {
			return nil, nil
		}
	}
	return outs[0].Interface(), nil
}

func noMethod(method string) *Error {
	return &Error{Code: CodeNoMethod, Message: "the method " + method + " does not exist/is not available"}
}
