// Package bucket keeps batch files in a bucket of Amazon S3 or of a server that speaks like it.
//
// A file appears under its name when it is whole, which S3 promises of every upload. Files up to the part size go in one
// request; larger ones as a multipart upload, part after part, each tried several times. An upload that broke off goes on in
// the next Put of the same file, whichever process makes it: parts that are there already, and whose ETag is the MD5 of what
// they should be, are not sent again. (Where the ETag is something else, with SSE-KMS for one, all are.) What nobody goes on
// with stays in the bucket, unseen, and may be paid for: let a lifecycle rule of the bucket abort incomplete multipart
// uploads after a week.
//
// The keys need these rights: s3:ListBucket and s3:GetBucketLocation on the bucket (the second only without region=), and
// on what is in it s3:GetObject, s3:PutObject, s3:DeleteObject; s3:ListBucketMultipartUploads on the bucket and
// s3:ListMultipartUploadParts, s3:AbortMultipartUpload in it for uploads that go on.
//
// Who runs the bucket sees names and sizes of files, and can delete or hold back files; batches are encrypted and signed.
package bucket
