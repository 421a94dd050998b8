import t from 'tap';
import {
	authorityOf,
	hostEnd,
	pathAndQueryOf,
	pathOf,
	queryOf,
	sameAuthority,
	schemeOf,
	withPath,
	withPathAndQuery,
	withQuery,
} from '../../lib/http/uri.js';

/** target: path, path and query, query, authority, scheme. As `path`, `pathq`, `query` of HAProxy 2.6. */
const TARGETS: readonly (readonly [
	string,
	string,
	string,
	string | undefined,
	string | undefined,
	string | undefined,
])[] = [
	['/', '/', '/', undefined, undefined, undefined],
	['/a/b?c=d', '/a/b', '/a/b?c=d', 'c=d', undefined, undefined],
	['/a?', '/a', '/a?', '', undefined, undefined],
	['/?a?b', '/', '/?a?b', 'a?b', undefined, undefined],
	['//a/b', '//a/b', '//a/b', undefined, undefined, undefined],
	['/x://y/z', '/x://y/z', '/x://y/z', undefined, undefined, undefined],
	['http://h:1/a?b', '/a', '/a?b', 'b', 'h:1', 'http'],
	['http://h', '', '', undefined, 'h', 'http'],
	['*', '', '', undefined, undefined, undefined],
	['h:443', '', '', undefined, undefined, undefined],
];

t.test('a target in its parts', (t) => {
	for (const [target, path, pathAndQuery, query, authority, scheme] of TARGETS) {
		t.equal(pathOf(target), path, `${target}: path`);
		t.equal(pathAndQueryOf(target), pathAndQuery, `${target}: path and query`);
		t.equal(queryOf(target), query, `${target}: query`);
		t.equal(authorityOf(target), authority, `${target}: authority`);
		t.equal(schemeOf(target), scheme, `${target}: scheme`);
	}
	t.end();
});

t.test('a target with one part changed', (t) => {
	t.equal(withPath('/a?b', '/c'), '/c?b');
	t.equal(withPath('/a', '/c'), '/c');
	t.equal(withPath('http://h/a?b', '/c'), 'http://h/c?b');
	t.equal(withPathAndQuery('http://h/a?b', '/c?d'), 'http://h/c?d');
	t.equal(withPathAndQuery('/a?b', '/c'), '/c');
	t.equal(withQuery('/a?b', 'c'), '/a?c');
	t.equal(withQuery('/a', 'c'), '/a?c');
	t.equal(withQuery('/a?b', ''), '/a');
	t.end();
});

t.test('hosts and ports', (t) => {
	const colon = (text: string): number => hostEnd(text, 0, text.length);
	t.equal(colon('a.b'), 3);
	t.equal(colon('a:80'), 1);
	t.equal(colon('a:'), 1);
	t.equal(colon('[::1]:8'), 5);
	t.equal(colon('[::ffff:1.2.3.4]'), 16);
	t.equal(colon('_dmarc.a%20b'), 12);
	for (const bad of ['a,b', 'a b', 'u@a', 'a/b', '[]', '[g::]', '[::1]x', '[::1', 'a:1:2', 'a:99999', 'a:x', 'é']) {
		t.equal(colon(bad), -1, bad);
	}
	t.ok(sameAuthority('a', 'A', 'http'));
	t.ok(sameAuthority('a:80', 'a', 'http'));
	t.ok(sameAuthority('a', 'a:443', 'HTTPS'));
	t.notOk(sameAuthority('a', 'a:443', 'http'));
	t.notOk(sameAuthority('a', 'a:80', 'ftp'));
	t.notOk(sameAuthority('a.b', 'a.c', 'http'));
	t.ok(sameAuthority('a:443', 'a', undefined));
	t.notOk(sameAuthority('a:8443', 'a', undefined));
	t.end();
});
