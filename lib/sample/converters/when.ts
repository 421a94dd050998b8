/**
 * `when(<condition>)` of 3.x: hands a sample on if the condition holds, so that a log line shows a detail only of what
 * went wrong. `!` before the name inverts it.
 */
import { STREAM_TESTS } from '../fetches/timing.js';
import type { ConverterDescriptor } from '../types.js';
import { required, textArgument } from './define.js';

const nameOf = (text: string): string => text.replace(/^!/, '');

export const WHEN_CONVERTERS: readonly ConverterDescriptor[] = [
	{
		name: 'when',
		args: [required('string')],
		input: 'any',
		output: 'any',
		check: ([argument]) => {
			const name = nameOf(textArgument(argument) ?? '');
			if (name === 'acl') return "the condition 'acl' is not supported by holdfast (name the ACL in the rule)";
			return STREAM_TESTS.has(name)
				? undefined
				: `expects one of ${[...STREAM_TESTS.keys()].join(', ')}, or one of them behind '!'`;
		},
		compile: ([argument], context) => {
			const text = textArgument(argument) ?? '';
			const test = STREAM_TESTS.get(nameOf(text));
			const wanted = !text.startsWith('!');
			return (value, stream) => (test?.(stream, context) === wanted ? value : undefined);
		},
	},
];
