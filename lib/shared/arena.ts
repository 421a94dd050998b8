/**
 * A SharedArrayBuffer laid out in named fields. A description gives each field's element type and count;
 * the arena computes where each one lies (on its own cache line, so that two fields written by two threads
 * do not slow each other) and gives typed views of it. Every thread makes the same arena of the same
 * description, so no offsets are passed around.
 *
 *     const arena = new Arena({ totals: ['float64', 100], gauges: ['int32', 8] });
 *     const buffer = arena.allocate();              // once, zeroed
 *     const { totals, gauges } = arena.attach(buffer);   // in each thread
 */
export const CACHE_LINE_BYTES = 64;

const ELEMENT_BYTES = { int32: 4, float64: 8 } as const;

type ElementType = keyof typeof ELEMENT_BYTES;
type ViewOf<T extends ElementType> = T extends 'int32' ? Int32Array : Float64Array;
export type ArenaDescription = Readonly<Record<string, readonly [type: ElementType, count: number]>>;
export type ArenaViews<D extends ArenaDescription> = { readonly [K in keyof D]: ViewOf<D[K][0]> };

export class Arena<const D extends ArenaDescription> {
	readonly byteLength: number;
	readonly #fields: readonly { name: keyof D & string; type: ElementType; count: number; offset: number }[];

	constructor(description: D) {
		let offset = 0;
		this.#fields = Object.entries(description).map(([name, [type, count]]) => {
			const field = { name, type, count, offset };
			offset += Math.ceil((count * ELEMENT_BYTES[type]) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
			return field;
		});
		this.byteLength = offset;
	}

	allocate(): SharedArrayBuffer {
		return new SharedArrayBuffer(this.byteLength);
	}

	/** Throws RangeError when the buffer is not one of this description's size. */
	attach(buffer: SharedArrayBuffer): ArenaViews<D> {
		if (buffer.byteLength !== this.byteLength) {
			throw new RangeError(`shared memory of ${buffer.byteLength} bytes where ${this.byteLength} are laid out`);
		}
		const views = new Map<string, Int32Array | Float64Array>();
		for (const { name, type, count, offset } of this.#fields) {
			views.set(
				name,
				type === 'int32' ? new Int32Array(buffer, offset, count) : new Float64Array(buffer, offset, count),
			);
		}
		return Object.fromEntries(views) as ArenaViews<D>;
	}
}
