/**
 * Maps (manual, 7.3.1 `map`): `map_<match>_<output>(<file>[,<default>])`. The file's sets of patterns are in the
 * registry under the file's name, one for each way of matching, so that the runtime API changes them while rules
 * look into them. Values are converted when looked up: a change at run time needs no second index.
 */
import { IpAddress } from '../../core/address.js';
import { patternFileLines } from '../pattern-file.js';
import { MATCH_INPUTS, type MatchMethod, type PatternEntry, PatternIndex } from '../pattern-index.js';
import { indexKey, patternRegistry } from '../pattern-registry.js';
import { compileRegex, expandReferences, type Regex } from '../regex.js';
import type { ArgumentValue, CompileContext, ConverterDescriptor, SampleType, SampleValue } from '../types.js';
import { parseInteger } from '../values.js';
import { optional, required, textArgument } from './define.js';

type Output = 'str' | 'int' | 'ip';

const OUTPUT_TYPES: Readonly<Record<Output, SampleType>> = { str: 'str', int: 'sint', ip: 'addr' };

/** The second column as a sample; undefined if it is not of that kind. */
function mapValue(text: string, output: Output): SampleValue | undefined {
	if (output === 'str') return text;
	return output === 'int' ? parseInteger(text) : IpAddress.parse(text);
}

/** The index of a file, read at its first use. The error is that of the line at fault. */
function indexOf(
	path: string,
	method: MatchMethod,
	output: Output,
	context: CompileContext,
): PatternIndex | { readonly error: string } {
	const content = context.file(path);
	if (content === undefined) return { error: `failed to open pattern file <${path}>` };
	const { file, line } = context.place;
	const reference = patternRegistry(context).forFile(
		path,
		'map',
		`pattern loaded from file '${path}' used by map at file '${file}' line ${line}`,
	);
	for (const { number, data } of output === 'str' ? [] : patternFileLines(content, true)) {
		if (mapValue(data, output) === undefined) {
			return { error: `unable to parse '${data}' at line ${number} of file '${path}'` };
		}
	}
	const known = reference.indexes.get(indexKey(method, false));
	if (known !== undefined) return known;
	const index = new PatternIndex(method);
	for (const { number, pattern, data } of patternFileLines(content, true)) {
		const added = index.add(pattern, false, data);
		if ('error' in added) return { error: `${added.error} at line ${number} of file '${path}'` };
	}
	reference.indexes.set(indexKey(method, false), index);
	return index;
}

function mapRow(name: string, method: MatchMethod, output: Output): ConverterDescriptor {
	return {
		name,
		args: [required('map-file'), optional(output === 'int' ? 'sint' : 'string')],
		input: MATCH_INPUTS[method],
		output: OUTPUT_TYPES[output],
		check: ([path, fallback], context) => {
			const text = textArgument(fallback);
			if (output === 'ip' && text !== undefined && IpAddress.parse(text) === undefined) {
				return `'${text}' is not an IP address`;
			}
			const index = indexOf(textArgument(path) ?? '', method, output, context);
			return 'error' in index ? index.error : undefined;
		},
		compile: ([path, fallbackArgument], context) => {
			const index = indexOf(textArgument(path) ?? '', method, output, context);
			const fallback = fallbackValue(fallbackArgument, output);
			if ('error' in index) return () => fallback;
			return (value) => {
				const entry = index.find(value);
				return entry === undefined ? fallback : mapValue(entry.data, output);
			};
		},
	};
}

function fallbackValue(argument: ArgumentValue, output: Output): SampleValue | undefined {
	if (typeof argument === 'number' || typeof argument === 'bigint') return argument;
	const text = textArgument(argument);
	return text === undefined ? undefined : mapValue(text, output);
}

/** `map_regm`: the value may refer to groups of the match. */
const REGM: ConverterDescriptor = {
	...mapRow('map_regm', 'reg', 'str'),
	compile: ([path, fallbackArgument], context) => {
		const index = indexOf(textArgument(path) ?? '', 'reg', 'str', context);
		const fallback = fallbackValue(fallbackArgument, 'str');
		if ('error' in index) return () => fallback;
		const regexes = new WeakMap<PatternEntry, Regex>();
		return (value) => {
			const text = value as string;
			const entry = index.find(text);
			if (entry === undefined) return fallback;
			let regex = regexes.get(entry);
			if (regex === undefined) {
				const compiled = compileRegex(entry.text, { ignoreCase: entry.ignoreCase });
				if (typeof compiled === 'string') return fallback;
				regex = compiled;
				regexes.set(entry, regex);
			}
			const groups = regex.exec(text);
			return groups === undefined ? fallback : expandReferences(entry.data, groups);
		};
	},
};

const METHODS: readonly MatchMethod[] = ['str', 'beg', 'sub', 'dir', 'dom', 'end', 'reg', 'int', 'ip'];

export const MAP_CONVERTERS: readonly ConverterDescriptor[] = [
	mapRow('map', 'str', 'str'),
	REGM,
	...METHODS.flatMap((method) => [
		mapRow(`map_${method}`, method, 'str'),
		mapRow(`map_${method}_str`, method, 'str'),
		mapRow(`map_${method}_int`, method, 'int'),
		mapRow(`map_${method}_ip`, method, 'ip'),
	]),
];
