import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { type ReactNode, useRef } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { download } from '../lib/download'
import { count } from '../lib/format'
import { useListKeys } from '../lib/keys'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Progress } from '../ui/progress'
import { Rows } from '../ui/skeleton'
import { Ago, When } from '../ui/time'
import { sayFault } from '../ui/toast'
import { useActor } from './data'
import { Page, Part, Sorry } from './page'
import { Copy } from './copy'

const here = getRouteApi('/inside/console/record')

/** The account's record: how far it is signed, how anybody verifies it, and what stands on it. */
export function Record() {
  const save = useMutation({
    mutationFn: () => download(api.GET('/v1/record/export', { parseAs: 'blob' }), `record-${new Date().toISOString().slice(0, 10)}.jsonl`),
    onError: sayFault,
  })
  return (
    <Page
      title={t('console.nav.record')}
      words={t('console.record.words')}
      action={<Button look="primary" icon="book" busy={save.isPending} onClick={() => save.mutate()}>{t('console.record.export')}</Button>}
    >
      <State />
      <Verify />
      <Entries />
    </Page>
  )
}

function State() {
  const state = useQuery({ queryKey: ['record', 'state'], refetchInterval: 10_000, queryFn: () => ok(api.GET('/v1/record/state')) })
  const s = state.data
  if (state.isError && !s) return <Sorry error={state.error} again={() => void state.refetch()} />
  if (!s) return <Rows n={4} tall />
  const whole = s.signed === s.entries && s.waiting === 0
  return (
    <>
      <dl className="mb-5 grid grid-cols-3 gap-x-4 md:max-w-160 md:gap-x-10">
        <Figure words={t('console.record.entries')}>{count(s.entries)}</Figure>
        <Figure words={t('console.record.signed')}>
          <span className="inline-flex items-center gap-2">{count(s.signed)}{whole && <Icon name="check" className="size-6 text-good" />}</span>
        </Figure>
        <Figure words={t('console.record.signedAt')}>{s.signed_at ? <Ago at={s.signed_at} /> : '–'}</Figure>
      </dl>
      <Signed part={s.signed} of={s.entries + s.waiting} />
      <Part title={t('console.record.checkpoint')} className="mb-10" action={s.checkpoint && <Copy text={s.checkpoint} words={t('console.record.copy')} />}>
        {s.checkpoint ? (
          <>
            <p className="mb-3 max-w-160 text-soft">{t('console.record.keep')}</p>
            <pre dir="ltr" tabIndex={0} className="overflow-x-auto rounded bg-sunken p-4 font-mono text-xs leading-5">{s.checkpoint.trimEnd()}</pre>
          </>
        ) : (
          <p className="text-soft">{t('console.record.unsigned')}</p>
        )}
      </Part>
    </>
  )
}

function Figure({ words, children }: { words: string; children: ReactNode }) {
  return (
    <div className="flex flex-col-reverse justify-end">
      <dt className="text-sm text-soft">{words}</dt>
      <dd className="figures text-xl font-semibold tracking-tight">{children}</dd>
    </div>
  )
}

/** How much of the record the newest checkpoint has signed. */
function Signed({ part, of }: { part: number; of: number }) {
  return (
    <div className="mb-9">
      <Progress label={of > 0 && part >= of ? t('console.record.all') : t('console.record.rest', { n: count(of - part) })} value={part} of={of} />
    </div>
  )
}

/** The three steps, as they are typed. */
function Verify() {
  const at = location.origin
  const steps = [
    { words: t('console.record.step.keys'), line: `curl -s ${at}/.well-known/catchment-record-keys.json > keys.json` },
    { words: t('console.record.step.export'), line: `curl -s ${at}/v1/record/export -H "Authorization: Bearer $KEY" > record.jsonl` },
    { words: t('console.record.step.verify'), line: 'catchment audit verify record.jsonl --keys keys.json --checkpoint kept.txt' },
  ]
  return (
    <Part title={t('console.record.verify')} className="mb-10">
      <p className="mb-4 max-w-160 text-soft">{t('console.record.verifyWords')}</p>
      <ol className="space-y-4">
        {steps.map((s, n) => (
          <li key={s.line} className="grid gap-x-4 gap-y-1.5 md:grid-cols-[1.75rem_minmax(0,1fr)_auto]">
            <span aria-hidden className="figures hidden text-lg font-semibold text-faint md:block">{n + 1}</span>
            <span className="min-w-0">
              <span className="block font-medium">{s.words}</span>
              <code dir="ltr" tabIndex={0} className="mt-1.5 block overflow-x-auto rounded bg-sunken px-3 py-2 font-mono text-xs whitespace-pre">{s.line}</code>
            </span>
            <span className="self-end"><Copy text={s.line} /></span>
          </li>
        ))}
      </ol>
    </Part>
  )
}

/** What was done, newest first; of one lead, person or user when the address says so. */
function Entries() {
  const { about } = here.useSearch()
  const go = useNavigate()
  const name = useActor()
  const box = useRef<HTMLUListElement>(null)
  useListKeys(box, { next: t('console.record.next'), before: t('console.record.before') })
  const list = useInfiniteQuery({
    queryKey: ['record', 'entries', about],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/record', { params: { query: { about, limit: 50, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <Part title={t('console.record.done')} action={about && <Button look="quiet" icon="cross" onClick={() => void go({ to: '/console/record', search: {} })}>{t('console.record.everything')}</Button>}>
      {about && <p className="mb-2 text-sm text-soft">{t('console.record.about')} <span dir="ltr" className="font-mono text-xs break-all">{about}</span></p>}
      {list.isError && !list.data ? (
        <Sorry error={list.error} again={() => void list.refetch()} />
      ) : list.isPending ? (
        <Rows n={8} />
      ) : rows.length === 0 ? (
        <Empty title={t('console.record.none')} words={t('console.record.noneWords')} />
      ) : (
        <ul ref={box}>{rows.map((e) => <Entry key={e.id} e={e} who={name(e.actor)} />)}</ul>
      )}
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
    </Part>
  )
}

function Entry({ e, who }: { e: Schemas['RecordEntry']; who: string }) {
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-5 border-b border-line py-2.5 text-sm md:grid-cols-[8rem_minmax(0,1fr)_auto]">
      <When at={e.at} className="order-last text-soft md:order-none" />
      <span className="min-w-0">
        <span className="font-medium">{who}</span> <span dir="ltr" className="font-mono text-xs text-soft">{e.action}</span>
        {e.purpose && <span className="text-soft"> · {tOf('console.purpose', e.purpose)}</span>}
      </span>
      {e.about && (
        <Link data-row to="/console/record" search={{ about: e.about }} dir="ltr" className="hidden font-mono text-xs text-faint underline-offset-4 hover:underline md:block">…{e.about.slice(-8)}</Link>
      )}
    </li>
  )
}
