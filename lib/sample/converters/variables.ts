/** Converters that write variables (manual, 7.3.1): `set-var(<name>[,<condition>...])`, `unset-var(<name>)`. */
import type { ArgumentValue, ConverterDescriptor, SampleValue, VariableName } from '../types.js';
import { optional, required, textArgument } from './define.js';

/** Whether to set, from the value the variable has (if any) and the input. */
type Condition = (present: SampleValue | undefined, input: SampleValue) => boolean;

const isEmpty = (value: SampleValue): boolean =>
	(typeof value === 'string' || Buffer.isBuffer(value)) && value.length === 0;

const isInt = (value: SampleValue | undefined): value is number | bigint =>
	typeof value === 'number' || typeof value === 'bigint';

/** Comparisons of what are not two integers count as true. */
const comparing =
	(compare: (present: number | bigint, input: number | bigint) => boolean): Condition =>
	(present, input) =>
		!isInt(present) || !isInt(input) || compare(present, input);

/** The conditions that `set-var` takes, also as a rule's action. */
export const SET_VAR_CONDITIONS: ReadonlyMap<string, Condition> = new Map<string, Condition>([
	['ifexists', (present) => present !== undefined],
	['ifnotexists', (present) => present === undefined],
	['ifset', (present) => present !== undefined],
	['ifnotset', (present) => present === undefined],
	['ifempty', (_present, input) => isEmpty(input)],
	['ifnotempty', (_present, input) => !isEmpty(input)],
	['ifgt', comparing((present, input) => present > input)],
	['iflt', comparing((present, input) => present < input)],
]);

function conditionsOf(args: readonly ArgumentValue[]): readonly Condition[] {
	return args.slice(1).flatMap((argument) => {
		const condition = SET_VAR_CONDITIONS.get(textArgument(argument) ?? '');
		return condition === undefined ? [] : [condition];
	});
}

export const VARIABLE_CONVERTERS: readonly ConverterDescriptor[] = [
	{
		name: 'set-var',
		args: [required('variable'), optional('string'), optional('string'), optional('string'), optional('string')],
		input: 'any',
		output: 'any',
		check: (args) => {
			for (const argument of args.slice(1)) {
				const name = textArgument(argument);
				if (name !== undefined && !SET_VAR_CONDITIONS.has(name)) return `unknown condition '${name}' for set-var`;
			}
			return undefined;
		},
		compile: (args) => {
			const { scope, name } = args[0] as VariableName;
			const conditions = conditionsOf(args);
			return (value, stream) => {
				if (conditions.length > 0) {
					const present = stream.variables.get(scope, name);
					if (!conditions.every((condition) => condition(present, value))) return undefined;
				}
				stream.variables.set(scope, name, value);
				return value;
			};
		},
	},
	{
		name: 'unset-var',
		args: [required('variable')],
		input: 'any',
		output: 'any',
		compile: ([variable]) => {
			const { scope, name } = variable as VariableName;
			return (value, stream) => {
				stream.variables.unset(scope, name);
				return value;
			};
		},
	},
];
