/** Short forms for the rows of the fetch tables: most fetches are a name, a type, a need and one function. */
import type {
	ArgumentKind,
	ArgumentSpec,
	ArgumentValue,
	Evaluate,
	FetchDescriptor,
	FetchNeed,
	SampleType,
} from '../types.js';

/** A fetch without arguments. */
export function plain(
	name: string,
	type: SampleType,
	needs: FetchNeed | readonly FetchNeed[],
	evaluate: Evaluate,
): FetchDescriptor {
	return { name, args: [], type, needs: typeof needs === 'string' ? [needs] : needs, compile: () => evaluate };
}

/** The same fetch under its other names. */
export function named(names: readonly string[], row: FetchDescriptor): readonly FetchDescriptor[] {
	return names.map((name) => ({ ...row, name }));
}

export const required = (kind: ArgumentKind): ArgumentSpec => ({ kind });
export const optional = (kind: ArgumentKind): ArgumentSpec => ({ kind, optional: true });

/** Checked arguments by kind: the descriptor's specs guarantee the type, these say it to the compiler. */
export function textArgument(value: ArgumentValue): string | undefined {
	return typeof value === 'string' ? value : undefined;
}

export function numberArgument(value: ArgumentValue): number | undefined {
	return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
}
