import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { useActor, useFresh, useRequests } from '../console/data'
import { Page, Sorry } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas } from '../lib/api'
import { useNow } from '../lib/clock'
import { download } from '../lib/download'
import { faultOf } from '../lib/fault'
import { dayName } from '../lib/format'
import { useFound, useRested } from '../lib/found'
import { useActs, useListKeys } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { isWhole } from '../lib/whole'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Dialog } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { Tabs } from '../ui/tabs'
import { When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'

const here = getRouteApi('/inside/console/requests')
type Request = Schemas['SubjectRequest']
const kinds = ['access', 'rectify', 'erase', 'restrict', 'unrestrict'] as const
const reasons = ['not-identified', 'not-ours', 'law-keeps-it', 'excessive', 'withdrawn'] as const
const key = ['requests']
const again = () => void queries.invalidateQueries({ queryKey: key })
const dayMs = 86_400_000
/** Why the person's data is opened, on the record. */
const why = { 'Catchment-Purpose': 'subject-request' }

const isLate = (r: Request, now: number) => Date.parse(r.due_at) < now
/** Days of the calendar until the answer is due, or since it was. */
const daysTo = (r: Request, now: number) => Math.abs(Math.round((new Date(r.due_at).setHours(0, 0, 0, 0) - new Date(now).setHours(0, 0, 0, 0)) / dayMs))
const waits = (r: Request) => r.state === 'open' || r.state === 'running'

/** What people asked about their own data: who waits longest first, each with its clock. */
export function Requests() {
  const { tab = 'waiting', id, person, make } = here.useSearch()
  const go = useNavigate()
  const now = useNow(60_000)
  const see = (to: { id?: string; person?: string; make?: true }, which: 'answered' | undefined = tab === 'answered' ? tab : undefined) => void go({ to: '/console/requests', search: { tab: which, ...to }, replace: true })
  const waiting = useRequests().data
  const late = waiting?.filter((r) => isLate(r, now)).length ?? 0
  useFresh(/^(alarm|person)\./, key)
  const begin = () => see({ make: true })
  useActs([{ id: 'requests.new', words: t('request.new'), keys: 'n', group: t('console.nav.requests'), run: begin }])
  const button = <Button look="primary" icon="plus" onClick={begin}>{t('request.new')}</Button>
  return (
    <Page title={t('request.title')} words={t('request.words')} action={button}>
      {!!waiting?.length && <p className="mb-4 font-medium">{t('request.waiting', { count: waiting.length })}{late > 0 && <span className="text-warm"> · {t('request.late', { count: late })}</span>}</p>}
      <Tabs label={t('request.title')} className="-mx-3" value={tab} onChange={(v) => see({}, v === 'answered' ? v : undefined)} tabs={(['waiting', 'answered'] as const).map((value) => ({ value, label: t(`request.tab.${value}`) }))}>
        <div className="px-3">{tab === 'answered' ? <Answered onOpen={(of) => see({ id: of })} /> : <Waiting onOpen={(of) => see({ id: of })} button={button} />}</div>
      </Tabs>
      <Sheet open={!!id} onClose={() => see({})} title={t('request.one')}>{id && <One key={id} id={id} />}</Sheet>
      <Sheet open={!id && (!!make || !!person)} onClose={() => see({})} title={t('request.new')}>{!id && (make || person) && <New of={person} onMade={(r) => see({ id: r.id }, undefined)} onOpen={(of) => see({ id: of })} />}</Sheet>
    </Page>
  )
}

function Waiting({ onOpen, button }: { onOpen: (id: string) => void; button: ReactNode }) {
  const list = useRequests()
  const now = useNow(60_000)
  if (list.isError && !list.data) return <Sorry error={list.error} again={() => void list.refetch()} />
  if (!list.data) return <Rows n={4} tall />
  if (!list.data.length) return <Empty title={t('request.none')} words={t('request.noneWords')}>{button}</Empty>
  return <List rows={list.data} onOpen={onOpen} end={(r) => <Clock r={r} now={now} />} />
}

function Answered({ onOpen }: { onOpen: (id: string) => void }) {
  const list = useInfiniteQuery({
    queryKey: [...key, 'answered'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/subject-requests', { params: { query: { state: 'answered', limit: 50, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  if (list.isError && !list.data) return <Sorry error={list.error} again={() => void list.refetch()} />
  if (list.isPending) return <Rows n={4} tall />
  if (!rows.length) return <Empty title={t('request.noneAnswered')} words={t('request.noneAnsweredWords')} />
  return (
    <>
      <List rows={rows} onOpen={onOpen} end={(r) => <><State r={r} /><span className="w-full text-sm text-soft md:w-auto">{r.finished_at && <When at={r.finished_at} />}</span></>} />
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
    </>
  )
}

function List({ rows, onOpen, end }: { rows: Request[]; onOpen: (id: string) => void; end: (r: Request) => ReactNode }) {
  const box = useRef<HTMLUListElement>(null)
  useListKeys(box, { next: t('request.next'), before: t('request.before') })
  return (
    <ul ref={box}>
      {rows.map((r) => (
        <li key={r.id} className="border-b border-line">
          <button data-row type="button" onClick={() => onOpen(r.id)} className="flex min-h-14 w-full flex-wrap items-center gap-x-5 gap-y-1.5 py-2.5 text-start text-sm hover:bg-hover md:-mx-2 md:w-[calc(100%+16px)] md:px-2">
            <span className="min-w-44 flex-1">
              <span className="block font-medium">{tOf('console.asked', r.kind)}</span>
              <span className="block text-soft">{t('request.askedOn')} <When at={r.received_at} /> · <Who id={r.person_id} /></span>
            </span>
            {end(r)}
          </button>
        </li>
      ))}
    </ul>
  )
}

/** A person by the end of their id: who it is, is opened in the request. */
const Who = ({ id }: { id: string }) => <span className="whitespace-nowrap">{t('request.person')} <span dir="ltr" className="font-mono text-xs">…{id.slice(-6)}</span></span>

/** How long there is for an answer: in words, and in the warm colour once it is late. */
function Clock({ r, now, large }: { r: Request; now: number; large?: boolean }) {
  const late = isLate(r, now)
  const days = daysTo(r, now)
  const words = late ? (days ? t('request.lateBy', { count: days }) : t('request.lateToday')) : days ? t('request.daysLeft', { count: days }) : t('request.dueToday')
  return (
    <span className={cx('flex flex-wrap items-center gap-x-3 gap-y-1', large && 'flex-col !items-start')}>
      <span className={cx('figures inline-flex items-center gap-1.5', large ? 'text-xl font-semibold tracking-tight' : 'font-medium', late && 'text-warm')}>
        {late && <Icon name="warn" className={large ? 'size-6' : 'size-4.5'} />}
        {words}
      </span>
      {r.state === 'running' ? <State r={r} /> : <span className="text-sm text-soft">{t(late ? 'request.wasDue' : 'request.due')} {dayName(r.due_at)}</span>}
    </span>
  )
}

const State = ({ r }: { r: Request }) => <Badge tone={r.state === 'done' ? 'good' : r.state === 'running' ? 'accent' : 'plain'}>{t(`request.state.${r.state}`)}</Badge>

function One({ id }: { id: string }) {
  const name = useActor()
  const now = useNow(60_000)
  const one = useQuery({
    queryKey: [...key, 'one', id],
    queryFn: () => ok(api.GET('/v1/subject-requests/{id}', { params: { path: { id } } })),
    refetchInterval: (q) => (q.state.data?.state === 'running' ? 1000 : false),
  })
  if (one.isError && !one.data) return <Sorry error={one.error} again={() => void one.refetch()} />
  const r = one.data
  if (!r) return <Rows n={5} />
  return (
    <div className="space-y-7">
      <div>
        <h3 className="text-base font-semibold">{tOf('console.asked', r.kind)}</h3>
        <p className="mt-1 text-sm text-soft">{tOf('request.means', r.kind)}</p>
      </div>
      {waits(r) ? <Clock r={r} now={now} large /> : <p><State r={r} /></p>}
      <dl className="space-y-2.5">
        <Fact words={t('request.askedOn')}><When at={r.received_at} /></Fact>
        <Fact words={t('request.due')}><When at={r.due_at} /></Fact>
        <Fact words={t('request.notedBy')}>{name(r.by)} · <When at={r.created_at} /></Fact>
        {r.finished_at && <Fact words={t('request.answeredBy')}>{r.done_by ? name(r.done_by) : t('console.openings.program')} · <When at={r.finished_at} /></Fact>}
        {r.reason && <Fact words={t('request.reasonIs')}>{tOf('request.reason', r.reason)}</Fact>}
      </dl>
      <Person r={r} />
      {r.state === 'open' && <Answer r={r} />}
      {r.state === 'running' && <p role="status" className="text-sm text-soft">{t('request.runningWords')}</p>}
    </div>
  )
}

type Opened = Schemas['PersonCard']

/** Who asked, opened for whoever answers, and on the record. */
function Person({ r }: { r: Request }) {
  const may = useMay()
  const [asked, ask] = useState(false)
  const card = useQuery({
    queryKey: [...key, 'person', r.person_id],
    enabled: asked,
    gcTime: 0,
    queryFn: () => ok(api.GET('/v1/persons/{id}', { params: { path: { id: r.person_id } }, headers: why })),
  })
  const copy = useMutation({
    mutationFn: () =>
      download(
        api.GET('/v1/subject-requests/{id}/data', { params: { path: { id: r.id } }, headers: { 'Catchment-Purpose': 'subject-access' } }).then((a) => ({ ...a, data: a.data && new Blob([JSON.stringify(a.data, null, 2)], { type: 'application/json' }) })),
        `person-${r.person_id.slice(-6)}-${new Date().toISOString().slice(0, 10)}.json`,
      ),
    onSuccess: () => say(t('request.copied'), { kind: 'good' }),
    onError: sayFault,
  })
  const p = card.data?.person
  return (
    <section className="space-y-3">
      <h3 className="text-sm font-semibold">{t('request.who')}</h3>
      {card.isError && <p role="alert" className="text-sm text-lost">{faultOf(card.error).status === 404 ? t('request.notYours') : t('request.notOpened')}</p>}
      {card.data ? (
        <>
          {p?.erased || !p ? <p className="text-sm text-soft">{t('console.lead.erasedWords')}</p> : r.kind === 'rectify' && r.state === 'open' && may('leads:work') ? <Correct key={[p.name, p.phone, p.email].join()} of={card.data} /> : (
            <dl className="space-y-2.5">
              <Fact words={t('console.person.name')}><bdi>{p.name ?? '–'}</bdi></Fact>
              <Fact words={t('console.person.phone')}><span className="ltr figures">{p.phone ?? '–'}</span></Fact>
              <Fact words={t('console.person.email')}><span className="ltr wrap-anywhere">{p.email ?? '–'}</span></Fact>
            </dl>
          )}
          {card.data.leads.length > 0 && (
            <ul className="text-sm">
              {card.data.leads.map((l) => (
                <li key={l.id}><Link to="/console/leads/$id" params={{ id: l.id }} className="flex min-h-9 items-center gap-2 text-accent underline underline-offset-4">{l.project.name} · {l.stage.name}</Link></li>
              ))}
            </ul>
          )}
          <p className="flex items-center gap-1.5 text-xs text-soft"><Icon name="opened" className="size-4" />{t('request.onRecord')}</p>
        </>
      ) : (
        <>
          <p className="text-sm text-soft"><Who id={r.person_id} /></p>
          {may('persons:open') && may('leads:read') && <Button icon="lock" busy={card.isFetching} onClick={() => ask(true)}>{t(r.kind === 'rectify' && r.state === 'open' ? 'request.showToCorrect' : 'request.show')}</Button>}
        </>
      )}
      {r.state === 'open' && (
        <div className="space-y-2 pt-2">
          <p className="text-sm text-soft">{t('request.copyWords')}</p>
          <Button look={r.kind === 'access' ? 'primary' : 'plain'} icon="down" busy={copy.isPending} onClick={() => copy.mutate()}>{t('request.copy')}</Button>
        </div>
      )}
    </section>
  )
}

/** What is wrong is put right where it stands; what stood there is kept as history. */
function Correct({ of }: { of: Opened }) {
  const stood = { name: of.person?.name ?? '', phone: of.person?.phone ?? '', email: of.person?.email ?? '' }
  const [now, write] = useState(stood)
  const changed = (['name', 'phone', 'email'] as const).filter((f) => now[f].trim() !== stood[f])
  const send = useMutation({
    mutationFn: () => ok(api.PATCH('/v1/persons/{id}', { params: { path: { id: of.id } }, headers: why, body: Object.fromEntries(changed.map((f) => [f, now[f].trim()])) })),
    onSuccess: () => {
      say(t('request.corrected'), { kind: 'good' })
      void queries.invalidateQueries({ queryKey: [...key, 'person', of.id] })
    },
    onError: (e) => void formFault(e),
  })
  const wrong = send.isError ? faultOf(send.error).fields : {}
  const type = (f: keyof typeof now) => (e: { currentTarget: { value: string } }) => write({ ...now, [f]: e.currentTarget.value })
  return (
    <div className="grid gap-4">
      <Field label={t('console.person.name')} value={now.name} autoComplete="off" onChange={type('name')} fault={wrong.name} />
      <Field label={t('console.person.phone')} type="tel" dir="ltr" value={now.phone} autoComplete="off" onChange={type('phone')} fault={wrong.phone} />
      <Field label={t('console.person.email')} type="email" dir="ltr" value={now.email} autoComplete="off" onChange={type('email')} fault={wrong.email} />
      <div><Button look="primary" busy={send.isPending} disabled={!changed.length} onClick={() => send.mutate()}>{t('request.correct')}</Button></div>
    </div>
  )
}

/** What ends the request: it is done, or refused. */
function Answer({ r }: { r: Request }) {
  const [asked, ask] = useState<'erase' | 'refuse' | null>(null)
  const settle = (now: Request) => {
    queries.setQueryData([...key, 'one', r.id], now)
    ask(null)
    again()
  }
  const fulfil = useMutation({
    mutationFn: () => ok(api.POST('/v1/subject-requests/{id}/fulfil', { params: { path: { id: r.id } } })),
    onSuccess: (now) => {
      if (now.state === 'done') say(tOf('request.did', r.kind), { kind: 'good' })
      settle(now)
    },
    onError: sayFault,
  })
  return (
    <section className="space-y-3 border-t border-line pt-5">
      <h3 className="text-sm font-semibold">{t('request.answer')}</h3>
      <p className="text-sm text-soft">{tOf('request.doWords', r.kind)}</p>
      <div className="flex flex-wrap gap-2">
        {r.kind === 'erase' ? <Button look="lost" onClick={() => ask('erase')}>{t('request.do.erase')}</Button> : <Button look={r.kind === 'access' || r.kind === 'rectify' ? 'plain' : 'primary'} busy={fulfil.isPending} onClick={() => fulfil.mutate()}>{t(`request.do.${r.kind}`)}</Button>}
        <Button look="quiet" onClick={() => ask('refuse')}>{t('request.refuse')}</Button>
      </div>
      {asked === 'erase' && <Erase busy={fulfil.isPending} onClose={() => ask(null)} onYes={() => fulfil.mutate()} />}
      {asked === 'refuse' && <Refuse r={r} onClose={() => ask(null)} onDone={settle} />}
    </section>
  )
}

/** Says what goes and what stays, and has a word typed: nothing brings it back. */
function Erase({ busy, onClose, onYes }: { busy: boolean; onClose: () => void; onYes: () => void }) {
  const [fault, fail] = useState('')
  const word = t('request.eraseWord')
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const typed = String(new FormData(e.currentTarget).get('word')).trim()
    if (typed.toLocaleLowerCase() !== word.toLocaleLowerCase()) return fail(t('request.eraseNot', { word }))
    fail('')
    onYes()
  }
  return (
    <Dialog open onClose={onClose} title={t('request.eraseAsk')}>
      <form onSubmit={submit} className="grid gap-4">
        <div className="space-y-3 text-sm">
          <div><p className="font-medium">{t('request.goes')}</p><p className="text-soft">{t('request.goesWords')}</p></div>
          <div><p className="font-medium">{t('request.stays')}</p><p className="text-soft">{t('request.staysWords')}</p></div>
          <p className="flex items-start gap-2 rounded bg-lost-ground px-3 py-2 text-lost"><Icon name="warn" className="mt-0.5 size-4" />{t('request.never')}</p>
        </div>
        <Field name="word" label={t('request.typeWord', { word })} autoComplete="off" autoCapitalize="off" spellCheck={false} fault={fault || undefined} />
        <div className="flex flex-wrap justify-end gap-2">
          <Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button>
          <Button type="submit" look="lost" busy={busy}>{t('request.eraseDo')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

function Refuse({ r, onClose, onDone }: { r: Request; onClose: () => void; onDone: (now: Request) => void }) {
  const [reason, choose] = useState<string>(reasons[0])
  const send = useMutation({
    mutationFn: () => ok(api.POST('/v1/subject-requests/{id}/refuse', { params: { path: { id: r.id } }, body: { reason } })),
    onSuccess: onDone,
    onError: sayFault,
  })
  return (
    <Dialog open onClose={onClose} title={t('request.refuseAsk')} words={t('request.refuseWords')} actions={<><Button look="quiet" onClick={onClose}>{t('common.cancel')}</Button><Button look="lost" busy={send.isPending} onClick={() => send.mutate()}>{t('request.refuse')}</Button></>}>
      <Select label={t('request.reasonIs')} value={reason} onChange={choose} choices={reasons.map((v) => ({ value: v, label: t(`request.reason.${v}`) }))} />
    </Dialog>
  )
}

const today = () => {
  const d = new Date()
  return [d.getFullYear(), d.getMonth() + 1, d.getDate()].map((n) => String(n).padStart(2, '0')).join('-')
}

/** Whose request, what, and since when: the clock runs from the day they asked. */
function New({ of, onMade, onOpen }: { of?: string; onMade: (r: Request) => void; onOpen: (id: string) => void }) {
  const [person, choose] = useState(of)
  const [kind, set] = useState<Request['kind']>('access')
  const waiting = useRequests().data
  const same = waiting?.find((r) => r.person_id === person && r.kind === kind)
  const send = useMutation({
    mutationFn: (on: string) => ok(api.POST('/v1/subject-requests', { body: { kind, person_id: person!, received_at: on && on !== today() ? new Date(on + 'T00:00').toISOString() : undefined } })),
    onSuccess: (r) => {
      say(t('request.noted'), { kind: 'good' })
      again()
      onMade(r)
    },
    onError: (e) => void formFault(e),
  })
  const wrong = send.isError ? faultOf(send.error).fields : {}
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    send.mutate(String(new FormData(e.currentTarget).get('on')))
  }
  return (
    <form onSubmit={submit} className="grid gap-5">
      {of ? <Fact words={t('request.who')}><Who id={of} /></Fact> : <Find chosen={person} onChoose={choose} />}
      {wrong.person_id && <p role="alert" className="text-sm text-lost">{wrong.person_id}</p>}
      <div>
        <Select label={t('request.what')} value={kind} onChange={set} choices={kinds.map((v) => ({ value: v, label: t(`console.asked.${v}`) }))} />
        <p className="mt-1.5 text-sm text-soft">{tOf('request.means', kind)}</p>
      </div>
      <Field name="on" type="date" required label={t('request.askedOn')} help={t('request.askedOnHelp')} defaultValue={today()} max={today()} fault={wrong.received_at} />
      {same && <p className="flex flex-wrap items-center gap-x-3 gap-y-1 rounded bg-warm-ground px-3 py-2 text-sm text-warm"><span className="flex-1">{t('request.already')}</span><button type="button" className="font-medium underline underline-offset-4" onClick={() => onOpen(same.id)}>{t('request.seeIt')}</button></p>}
      <div><Button type="submit" look="primary" disabled={!person} busy={send.isPending}>{t('request.note')}</Button></div>
    </form>
  )
}

/** Whoever has a number or an address. Nobody's name is opened to find them. */
function Find({ chosen, onChoose }: { chosen?: string; onChoose: (id: string | undefined) => void }) {
  const [text, type] = useState('')
  const rested = useRested(text.trim())
  const found = useFound(rested, false)
  const leads = found.data?.items ?? []
  const persons = [...new Set(leads.map((l) => l.person_id))]
  const only = persons.length === 1 ? persons[0] : undefined
  useEffect(() => {
    if (only) onChoose(only) // nobody else has this number
  }, [only])
  return (
    <div className="grid gap-2">
      <Field type="search" dir="auto" label={t('request.who')} placeholder={t('console.leads.find')} help={t('request.findHelp')} value={text} autoComplete="off" onChange={(e) => { type(e.currentTarget.value); onChoose(undefined) }} />
      {isWhole(rested) && found.isSuccess && persons.length === 0 && <p role="status" className="text-sm"><span className="font-medium">{t('console.leads.nobody')}</span> <span className="text-soft">{t('request.nobodyWords')}</span></p>}
      {found.isError && <p role="alert" className="text-sm text-lost">{t('request.notOpened')}</p>}
      {persons.length > 0 && (
        <fieldset>
          <legend className="sr-only">{t('request.who')}</legend>
          {persons.map((p) => {
            const theirs = leads.filter((l) => l.person_id === p)
            return (
              <label key={p} className="flex min-h-13 items-center gap-3 border-b border-line py-2 text-sm">
                <input type="radio" name="person" className="size-4 accent-accent" checked={chosen === p} onChange={() => onChoose(p)} />
                <span>
                  <span className="block font-medium">{[...new Set(theirs.map((l) => l.project.name))].join(', ')}</span>
                  <span className="block text-soft"><Who id={p} /> · {t('request.leads', { count: theirs.length })} · <When at={theirs[0]!.created_at} /></span>
                </span>
              </label>
            )
          })}
        </fieldset>
      )}
    </div>
  )
}
