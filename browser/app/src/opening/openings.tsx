import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useUsers } from '../console/data'
import { Times } from '../console/leadtools'
import { Listing } from '../console/listing'
import { Page } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas } from '../lib/api'
import { t, tOf } from '../lib/words'
import type { OpeningFilter } from '../router'
import { Button } from '../ui/button'
import { Chip, Chips } from '../console/chip'
import { Empty } from '../ui/empty'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { When } from '../ui/time'
import { useOpener, useSupporters } from './who'

const here = getRouteApi('/inside/console/openings')
type Opening = Schemas['OpeningEntry']
const any = '*'
const reasons = ['contact', 'oversight', 'export', 'receipts', 'device-key', 'push'] as const

/** Every opening of personal data in the account, by whoever the address asks for. */
export function Openings() {
  const filter = here.useSearch()
  const go = useNavigate()
  const opener = useOpener()
  const [shown, show] = useState<Opening | null>(null)
  const { about, grant, actor, purpose, from, to } = filter
  const set = (part: Partial<OpeningFilter>) => void go({ to: '/console/openings', search: (s: object) => ({ ...s, ...part }), replace: true })
  const list = useInfiniteQuery({
    queryKey: ['openings', 'all', filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/openings', { params: { query: { about, grant: about ? undefined : grant, actor, purpose, from, to, limit: 100, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const filtered = !!(about || grant || actor || purpose || from || to)
  return (
    <Page full title={t('opening.title')} words={t('opening.words')}>
      <Filters filter={filter} set={set} />
      <Listing
        query={list}
        rows={list.data?.pages.flatMap((p) => p.items) ?? []}
        rowKey={(o) => o.id}
        label={t('opening.title')}
        keys={{ next: t('opening.next'), before: t('opening.before') }}
        empty={<Empty title={filtered ? t('opening.noneFiltered') : t('opening.none')} words={t('opening.noneWords')} />}
        onOpen={show}
        more={list.hasNextPage && !list.isFetchNextPageError ? () => void list.fetchNextPage() : undefined}
        loading={list.isFetchingNextPage}
        columns={[
          { id: 'when', width: '132px', head: t('opening.when'), cell: (o) => <When at={o.at} /> },
          { id: 'who', width: 'minmax(190px,1.2fr)', head: t('opening.who'), cell: (o) => <span className="font-medium">{opener(o.actor, o.who === 'platform')}{o.who === 'platform' && <span className="text-warm"> · {t('opening.platform')}</span>}</span> },
          { id: 'why', width: 'minmax(150px,1fr)', head: t('opening.why'), cell: (o) => tOf('console.purpose', o.purpose) },
          { id: 'what', width: 'minmax(200px,1.6fr)', head: t('opening.what'), cell: (o) => fieldsOf(o) },
          { id: 'of', width: '112px', end: true, head: t('opening.ofHow'), cell: (o) => (o.of.length ? t('opening.of', { count: o.of.length }) : t('opening.values', { count: o.count })) },
        ]}
      />
      <Sheet open={!!shown} onClose={() => show(null)} title={t('opening.title')}>{shown && <One o={shown} />}</Sheet>
    </Page>
  )
}

const fieldsOf = (o: Opening) => (o.of.length ? [...new Set(o.of.flatMap((x) => x.fields))].map((f) => tOf('console.opened', f)).join(', ') : t('opening.batch'))

/** By whom, why and when; and what a link led here by, to be taken away. */
function Filters({ filter, set }: { filter: OpeningFilter; set: (part: Partial<OpeningFilter>) => void }) {
  const users = useUsers().data ?? []
  const supporters = useSupporters().data ?? []
  const opener = useOpener()
  const people = [...users, ...supporters].map((u) => ({ value: u.id, label: u.name }))
  if (filter.actor && !people.some((p) => p.value === filter.actor)) people.push({ value: filter.actor, label: opener(filter.actor) })
  const known = reasons.map((r) => ({ value: r as string, label: tOf('console.purpose', r) }))
  if (filter.purpose && !known.some((r) => r.value === filter.purpose)) known.push({ value: filter.purpose, label: filter.purpose })
  const box = 'w-40 grow md:grow-0'
  return (
    <>
      <div role="search" aria-label={t('console.filter.label')} className="mb-3 flex flex-wrap gap-2">
        <Select hideLabel className={box} label={t('opening.who')} value={filter.actor ?? any} onChange={(v) => set({ actor: v === any ? undefined : v })} choices={[{ value: any, label: t('opening.anyone') }, ...people]} />
        <Select hideLabel className={box} label={t('opening.why')} value={filter.purpose ?? any} onChange={(v) => set({ purpose: v === any ? undefined : v })} choices={[{ value: any, label: t('opening.anyReason') }, ...known]} />
        <Times className={box} label={t('opening.when')} filter={filter} set={set} />
      </div>
      {(filter.about || filter.grant) && (
        <Chips>
          {filter.about && <Chip words={t(`opening.chip.${kindOf(filter.about)}`)} off={() => set({ about: undefined })} />}
          {filter.grant && !filter.about && <Chip words={t('opening.chip.grant')} off={() => set({ grant: undefined })} />}
        </Chips>
      )}
    </>
  )
}

const kindOf = (id: string) => (id.startsWith('lead_') ? 'lead' : id.startsWith('user_') ? 'user' : 'person')

function One({ o }: { o: Opening }) {
  const opener = useOpener()
  return (
    <>
      <dl className="mb-6 space-y-2.5">
        <Fact words={t('opening.who')}>{opener(o.actor, o.who === 'platform')} <span className="text-soft">· {t(`opening.by.${o.who}`)}</span></Fact>
        <Fact words={t('opening.when')}><When at={o.at} /></Fact>
        <Fact words={t('opening.why')}>{tOf('console.purpose', o.purpose)}</Fact>
        {o.grant_id && <Fact words={t('opening.theGrant')}><Link to="/console/grants" search={{ id: o.grant_id }} className="text-accent underline underline-offset-4">{t('console.lead.see')}</Link></Fact>}
        <Fact words={t('opening.theEntry')}><span dir="ltr" className="font-mono text-xs break-all">{o.id}</span></Fact>
      </dl>
      <ul>
        {o.of.map((x) => (
          <li key={x.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line py-2 text-sm">
            <span className="min-w-40 flex-1">
              <span className="block">{x.fields.map((f) => tOf('console.opened', f)).join(', ')}</span>
              <span className="block text-xs text-faint">{x.id.startsWith('user_') ? opener(x.id) : <span dir="ltr" className="font-mono">…{x.id.slice(-8)}</span>}</span>
            </span>
            {x.id.startsWith('prsn_') && <Link to="/console/leads" search={{ person: x.id }} className="text-accent underline-offset-4 hover:underline">{t('opening.theirLeads')}</Link>}
            <Link to="/console/openings" search={{ about: x.id }} className="text-accent underline-offset-4 hover:underline">{t('opening.more')}</Link>
          </li>
        ))}
      </ul>
      {o.of.length === 0 && <p className="text-soft">{t('opening.values', { count: o.count })} · {t('opening.batch')}</p>}
    </>
  )
}

/** On another page: leads to the openings that are about it. */
export function ToOpenings({ words, ...search }: OpeningFilter & { words: string }) {
  const go = useNavigate()
  return <Button look="quiet" icon="opened" onClick={() => void go({ to: '/console/openings', search })}>{words}</Button>
}
