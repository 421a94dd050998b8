/** Short forms for the rows of the converter tables. */
import type { ConverterDescriptor, SampleType, SampleValue } from '../types.js';

export { named as namedFetches, numberArgument, optional, required, textArgument } from '../fetches/define.js';

/** A converter without arguments. The input is already cast to its type. */
export function direct<T extends SampleValue>(
	name: string,
	input: SampleType,
	output: SampleType,
	convert: (value: T) => SampleValue | undefined,
): ConverterDescriptor {
	// The expression compiler casts to `input` first; that T is the type of that kind is said here once.
	const apply = convert as (value: SampleValue) => SampleValue | undefined;
	return { name, args: [], input, output, compile: () => apply };
}

/** The same converter under its other names. */
export function named(names: readonly string[], row: ConverterDescriptor): readonly ConverterDescriptor[] {
	return names.map((name) => ({ ...row, name }));
}
