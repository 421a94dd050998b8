/** `var(<name>[,<default>])` (manual, 7.3.2). A default, even an empty one, is returned as a string. */
import type { FetchDescriptor, VariableName } from '../types.js';
import { optional, required, textArgument } from './define.js';

export const VARIABLE_FETCHES: readonly FetchDescriptor[] = [
	{
		name: 'var',
		args: [required('variable'), optional('string')],
		type: 'any',
		needs: ['internal'],
		compile: ([variable, fallbackArgument]) => {
			const { scope, name } = variable as VariableName;
			const fallback = textArgument(fallbackArgument);
			return (stream) => stream.variables.get(scope, name) ?? fallback;
		},
	},
];
