/**
 * The fields of one header block as the decoder finds them, in two parallel arrays that serve one block after the
 * other: valid while its receiver is told of them, and not longer. Only the first `count` of each are meant.
 */
export class FieldList {
	readonly names: string[] = [];
	readonly values: string[] = [];
	count = 0;
	/** The block had more, or larger ones, than the decoder's limits: some are missing. */
	isTooLarge = false;

	clear(): void {
		this.count = 0;
		this.isTooLarge = false;
	}

	/** For the decoder: one field more. */
	field(name: string, value: string): void {
		const index = this.count++;
		this.names[index] = name;
		this.values[index] = value;
	}

	/** The first value of that name. */
	get(name: string): string | undefined {
		for (let i = 0; i < this.count; i++) if (this.names[i] === name) return this.values[i];
		return undefined;
	}
}
