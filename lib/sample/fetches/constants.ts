/** Fetches whose value stands in the configuration itself (manual, 7.3.2). */
import { IpAddress } from '../../core/address.js';
import type { ArgumentValue, FetchDescriptor, SampleValue } from '../types.js';
import { optional, plain, required, textArgument } from './define.js';

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
	['true', true],
	['1', true],
	['false', false],
	['0', false],
]);

function constant(value: SampleValue): () => SampleValue {
	return () => value;
}

const text = (args: readonly ArgumentValue[]): string => textArgument(args[0]) ?? '';

export const CONSTANT_FETCHES: readonly FetchDescriptor[] = [
	plain('always_true', 'bool', 'internal', () => true),
	plain('always_false', 'bool', 'internal', () => false),
	{
		name: 'str',
		args: [optional('string')],
		type: 'str',
		needs: ['internal'],
		compile: (args) => constant(text(args)),
	},
	{
		name: 'int',
		args: [required('sint')],
		type: 'sint',
		needs: ['internal'],
		compile: ([value]) => constant(typeof value === 'bigint' || typeof value === 'number' ? value : 0),
	},
	{
		name: 'bool',
		args: [required('string')],
		type: 'bool',
		needs: ['internal'],
		check: (args) => (BOOLEANS.has(text(args).toLowerCase()) ? undefined : "expects 'true', 'false', '0' or '1'"),
		compile: (args) => constant(BOOLEANS.get(text(args).toLowerCase()) ?? false),
	},
	{
		name: 'bin',
		args: [required('string')],
		type: 'bin',
		needs: ['internal'],
		check: (args) => {
			if (!/^[0-9a-fA-F]*$/.test(text(args))) return `unexpected character in the hex string '${text(args)}'`;
			return text(args).length % 2 === 0 ? undefined : 'an even number of hex digit is expected';
		},
		compile: (args) => constant(Buffer.from(text(args), 'hex')),
	},
	{
		name: 'ipv4',
		args: [required('ip4')],
		type: 'ipv4',
		needs: ['internal'],
		compile: ([address]) => constant(address instanceof IpAddress ? address : IpAddress.fromV4(0)),
	},
	{
		name: 'ipv6',
		args: [required('ip6')],
		type: 'ipv6',
		needs: ['internal'],
		compile: ([address]) => constant(address instanceof IpAddress ? address : IpAddress.fromV4(0).toV6()),
	},
	{
		name: 'meth',
		args: [required('string')],
		type: 'meth',
		needs: ['internal'],
		compile: (args) => constant(text(args)),
	},
];
