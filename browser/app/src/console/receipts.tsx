import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { count } from '../lib/format'
import { bytesOf, check, type Keys, type Receipt, type ReceiptFault } from '../lib/receipt'
import { t } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { Sorry } from './page'
import { Fact } from './story'

type Checked = { submission: Schemas['Submission']; receipt: Receipt | null; fault: ReceiptFault }

/** Opens what was received, on the record, and checks each receipt here, offline, by the published keys. */
async function receiptsOf(enquiry: string): Promise<Checked[]> {
  const [list, keys] = await Promise.all([
    ok(api.GET('/v1/enquiries/{id}/submissions', { params: { path: { id: enquiry }, query: { include: ['body'] } }, headers: { 'Catchment-Purpose': 'receipts' } })),
    fetch('/.well-known/catchment-receipt-keys.json').then((r) => r.json() as Promise<Keys>),
  ])
  return Promise.all(list.items.map(async (submission) => {
    const receipt = submission.receipt as Receipt | null
    return { submission, receipt, fault: receipt ? await check(receipt, keys, bytesOf(submission.body) ?? new Uint8Array()) : '' }
  }))
}

/** The receipts of an enquiry, asked for when somebody wants to see them. */
export function Receipts({ enquiry }: { enquiry: string }) {
  const [open, show] = useState(false)
  return (
    <>
      <Button look="quiet" icon="check" className="-ms-3" onClick={() => show(true)}>{t('console.receipt.show')}</Button>
      <Dialog open={open} onClose={() => show(false)} title={t('console.receipt.title')} words={t('console.receipt.words')} className="max-w-140" actions={<Button look="primary" onClick={() => show(false)}>{t('common.close')}</Button>}>{open && <List enquiry={enquiry} />}</Dialog>
    </>
  )
}

function List({ enquiry }: { enquiry: string }) {
  const list = useQuery({ queryKey: ['receipts', enquiry], staleTime: Infinity, gcTime: 0, queryFn: () => receiptsOf(enquiry) })
  if (list.isError) return <Sorry error={list.error} again={() => void list.refetch()} />
  if (!list.data) return <Rows n={4} />
  return <ul className="space-y-6">{list.data.map((c) => <One key={c.submission.id} {...c} enquiry={enquiry} />)}</ul>
}

function One({ submission: s, receipt: r, fault, enquiry }: Checked & { enquiry: string }) {
  const body = bytesOf(s.body)
  return (
    <li>
      {r ? <p className="mb-3 flex flex-wrap items-center gap-2">{fault === '' ? <Badge tone="good">{t('console.receipt.good')}</Badge> : fault === 'unsupported' ? <span>{t('console.receipt.unsupported')}</span> : <><Badge tone="lost">{t('console.receipt.bad')}</Badge>{t(`console.receipt.fault.${fault}`)}</>}</p> : <p className="mb-3 text-soft">{t('console.receipt.none')}</p>}
      {s.conflict && <p className="mb-3"><Badge tone="warm">{t('console.receipt.conflict')}</Badge></p>}
      <dl className="space-y-2">
        <Fact words={t('console.receipt.received')}><When at={s.received_at} /></Fact>
        <Fact words={t('console.receipt.place')}>{t('console.receipt.commit', { stream: s.stream, seq: count(s.seq) })}{r && <span className="block text-soft">{t('console.receipt.index', { n: count(r.index + 1), all: count(r.size) })}</span>}</Fact>
        {r && <Fact words={t('console.receipt.key')}><span dir="ltr" className="font-mono text-xs break-all">{r.key_id}</span></Fact>}
      </dl>
      <p className="mt-4 flex flex-wrap gap-2">
        {r && <Button onClick={() => save(new Blob([JSON.stringify(r)], { type: 'application/json' }), `${enquiry}.receipt.json`)}>{t('console.receipt.save')}</Button>}
        {body && <Button onClick={() => save(new Blob([body], { type: 'application/octet-stream' }), `${enquiry}.body`)}>{t('console.receipt.saveBody')}</Button>}
      </p>
    </li>
  )
}

function save(file: Blob, name: string) {
  const a = document.createElement('a')
  a.href = URL.createObjectURL(file)
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000)
}
