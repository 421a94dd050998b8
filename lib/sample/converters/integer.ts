/**
 * Arithmetic and bitwise converters on 64-bit signed integers (manual, 7.3.1). Numbers while results are exact,
 * bigints where they are not; `add`, `sub`, `mul`, `div` and `neg` stop at the largest or smallest integer
 * rather than wrap.
 */
import { certificateErrorName } from '../../core/certificate-errors.js';
import type { ArgumentValue, ConverterDescriptor, SampleValue, StreamView, VariableName } from '../types.js';
import { INT_MAX, INT_MIN, normalizeInt, toInt } from '../values.js';
import { direct, required } from './define.js';

type Int = number | bigint;
type Operation = (left: Int, right: Int) => Int;

/** The exact result where numbers suffice, else the operation over bigints, saturated. */
function saturating(
	fast: (left: number, right: number) => number,
	exact: (left: bigint, right: bigint) => bigint,
): Operation {
	return (left, right) => {
		if (typeof left === 'number' && typeof right === 'number') {
			const result = fast(left, right);
			if (Number.isSafeInteger(result)) return result === 0 ? 0 : result;
		}
		return normalizeInt(exact(BigInt(left), BigInt(right)));
	};
}

/** Bits of both words; 32-bit operators of the language serve only small non-negative numbers. */
function bitwise(
	fast: (left: number, right: number) => number,
	exact: (left: bigint, right: bigint) => bigint,
): Operation {
	return (left, right) => {
		if (isSmall(left) && isSmall(right)) return fast(left, right);
		return normalizeInt(BigInt.asIntN(64, exact(BigInt(left), BigInt(right))));
	};
}

const isSmall = (value: Int): value is number => typeof value === 'number' && value >= 0 && value <= 0x7fffffff;

const divide: Operation = (left, right) => {
	if (right === 0) return INT_MAX;
	if (typeof left === 'number' && typeof right === 'number') {
		const quotient = Math.trunc(left / right);
		return quotient === 0 ? 0 : quotient;
	}
	return normalizeInt(BigInt(left) / BigInt(right));
};

const remainder: Operation = (left, right) => {
	if (right === 0) return 0;
	if (typeof left === 'number' && typeof right === 'number') {
		const rest = left % right;
		return rest === 0 ? 0 : rest;
	}
	return normalizeInt(BigInt(left) % BigInt(right));
};

/** `name(<value>)`, the value an integer or a variable that holds one. */
function binary(name: string, operation: Operation): ConverterDescriptor {
	return {
		name,
		args: [required('sint-or-variable')],
		input: 'sint',
		output: 'sint',
		compile: ([argument]) => {
			if (typeof argument === 'number' || typeof argument === 'bigint') {
				const constant: Int = argument;
				return (value) => operation(value as Int, constant);
			}
			const { scope, name: variable } = argument as VariableName;
			return (value, stream) => {
				const operand = variableInt(stream, scope, variable);
				return operand === undefined ? undefined : operation(value as Int, operand);
			};
		},
	};
}

function variableInt(stream: StreamView, scope: VariableName['scope'], name: string): Int | undefined {
	const value = stream.variables.get(scope, name);
	return value === undefined ? undefined : toInt(value);
}

export const INTEGER_CONVERTERS: readonly ConverterDescriptor[] = [
	binary(
		'add',
		saturating(
			(left, right) => left + right,
			(left, right) => left + right,
		),
	),
	binary(
		'sub',
		saturating(
			(left, right) => left - right,
			(left, right) => left - right,
		),
	),
	binary(
		'mul',
		saturating(
			(left, right) => left * right,
			(left, right) => left * right,
		),
	),
	binary('div', divide),
	binary('mod', remainder),
	binary(
		'and',
		bitwise(
			(left, right) => left & right,
			(left, right) => left & right,
		),
	),
	binary(
		'or',
		bitwise(
			(left, right) => left | right,
			(left, right) => left | right,
		),
	),
	binary(
		'xor',
		bitwise(
			(left, right) => left ^ right,
			(left, right) => left ^ right,
		),
	),
	direct<Int>('neg', 'sint', 'sint', (value) => {
		if (typeof value === 'number') return value === 0 ? 0 : -value;
		return value === INT_MIN ? INT_MAX : normalizeInt(-value);
	}),
	direct<Int>('cpl', 'sint', 'sint', (value) =>
		typeof value === 'number' && Number.isSafeInteger(-value - 1) ? -value - 1 : normalizeInt(~BigInt(value)),
	),
	direct<Int>('not', 'sint', 'bool', (value) => value === 0),
	direct<Int>('bool', 'sint', 'bool', (value) => value !== 0),
	direct<Int>('odd', 'sint', 'bool', isOdd),
	direct<Int>('even', 'sint', 'bool', (value) => !isOdd(value)),
	direct<Int>('x509_v_err_str', 'sint', 'str', (value) => certificateErrorName(Number(value)) ?? String(value)),
	direct<Int>('htonl', 'sint', 'bin', (value) => {
		const bytes = Buffer.alloc(4);
		bytes.writeUInt32BE(Number(BigInt.asUintN(32, BigInt(value))));
		return bytes;
	}),
	{
		name: 'iif',
		args: [required('string'), required('string')],
		input: 'bool',
		output: 'str',
		compile: ([whenTrue, whenFalse]: readonly ArgumentValue[]) => {
			const yes: SampleValue = typeof whenTrue === 'string' ? whenTrue : '';
			const no: SampleValue = typeof whenFalse === 'string' ? whenFalse : '';
			return (value) => (value === true ? yes : no);
		},
	},
];

function isOdd(value: Int): boolean {
	return typeof value === 'number' ? value % 2 !== 0 : (value & 1n) === 1n;
}
