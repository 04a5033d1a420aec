// Package auth knows who may log in and how that is proven: the methods, the
// stored secrets, PgBouncer's auth_file, and the conversation in which a client
// shows that it has the password.
//
// It must not know sockets, configuration or pools: it is fed message bodies
// and says what to send. It imports wire only.
//
// An unknown user is led through the same exchange as a known one and is
// refused at the same point in the same words, so that names cannot be
// guessed.
package auth
